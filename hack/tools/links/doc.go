// SPDX-License-Identifier: Apache-2.0

// Package links checks the pages of this repository: its test fails if a link
// leads to a file or a heading that does not exist. Links to other sites are not
// followed, because a test must not depend on them.
package links
