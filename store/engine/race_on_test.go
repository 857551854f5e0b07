//go:build race

package engine

// raceDetector tells that the process has the race detector's memory, too.
const raceDetector = true
