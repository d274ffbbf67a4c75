// SPDX-License-Identifier: Apache-2.0

package kubeclient

import "time"

// StaleDelay is after how long a decision that was made on an outdated object is
// made again, unless a watch reports the change earlier.
const StaleDelay = 100 * time.Millisecond
