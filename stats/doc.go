// Package stats holds the rules by which messages are counted (contract §8).
// It is pure: no clock, no database, no network.
//
// What is counted depends only on the set of events told about a message.
// A [Message] is that set boiled down to a few times; [Message.Merge] is
// commutative, associative and idempotent, so neither order, repetition,
// source nor node of the events matters.
package stats
