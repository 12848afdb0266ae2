//go:build !race

package app

// raced tells whether the race detector is at work.
const raced = false
