// SPDX-License-Identifier: Apache-2.0

// Package controllers has the tests of both reconcilers together on a real API
// server. The reconcilers are in the packages signaturekey and signaturebinding.
package controllers
