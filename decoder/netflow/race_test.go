//go:build race

package netflow

// slowdown is how much longer the race detector lets code take, at most
// (its documentation says 2 to 20 times).
const slowdown = 20
