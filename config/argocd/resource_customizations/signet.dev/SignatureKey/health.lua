-- SPDX-License-Identifier: Apache-2.0
-- A status about an older spec says nothing about this one: it would let a sync
-- wave pass before Signet has seen the change.
if obj.status == nil or obj.status.observedGeneration == nil or obj.status.conditions == nil then
  return { status = "Progressing", message = "Waiting for Signet" }
end
if obj.status.observedGeneration < obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for Signet to see the change" }
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local stalled, ready = conditions.Stalled, conditions.Ready
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if ready == nil then
  return { status = "Progressing", message = "Waiting for Signet" }
end
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
if ready.status == "False" then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message }
