// SPDX-License-Identifier: Apache-2.0

// Runs the cases of verifiers_test.go, one per line, with the JavaScript verifier.
import { createInterface } from 'node:readline'
import { pairs, Refusal, Verifier } from '../../../../api/signature/verifiers/javascript/signet_verifier.mjs'

let configured, verifier, now

function judge (line) {
  const [time, ...encoded] = line.split('\t')
  const [directory, header, unsigned, required, method, target, body, ...raw] = encoded.map(field => Buffer.from(field, 'base64'))
  const settings = encoded.slice(0, 4).join()
  now = Number(time)
  try {
    if (configured !== settings) {
      configured = undefined
      verifier = new Verifier([directory.toString()], {
        header: header.toString(), allowUnsignedPayload: unsigned.toString() === '1',
        requiredHeaders: required.toString().split(' ').filter(Boolean), clock: () => now
      })
      configured = settings
    }
    const headers = pairs(raw.map(field => field.toString('latin1')))
    return 'ok ' + verifier.verify(method.toString('latin1'), target.toString('latin1'), headers, body)
  } catch (error) {
    if (error instanceof Refusal) return 'no ' + error.reason
    if (configured) throw error
    return 'no keys'
  }
}

for await (const line of createInterface({ input: process.stdin })) console.log(judge(line))
