// SPDX-License-Identifier: Apache-2.0

// Package advice says what the reasons of conditions mean and what a user does
// about them. It is the one source of these texts: the tables of the API page are
// compared with it.
package advice
