//go:build race

package app

// raced tells whether the race detector is at work, which takes memory of its
// own.
const raced = true
