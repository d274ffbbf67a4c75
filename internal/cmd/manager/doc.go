// SPDX-License-Identifier: Apache-2.0

// Package manager is the composition root of `signet manager`: it turns flags
// into options and options into a running manager with its caches, leader
// election, controllers, webhooks, serving certificates, metrics and probes.
//
// Goals: a manager that is configured wrongly or lacks a permission ends at once
// with an error that names the flag or the permission; a leader writes only
// while its lease lasts; a replica is ready when it can answer admission.
//
// Non-goals: it decides nothing about keys and bindings. Rules are in
// internal/validation, decisions in the controllers and the packages that they
// use.
package manager
