//go:build !race

package netflow

// slowdown is how much longer code takes in this build of the tests.
const slowdown = 1
