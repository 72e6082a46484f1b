// Package boottest has tests alone: machines that are rolled back at boot, in real initrds, more than once in a row, and whose
// power is cut while they are. See package vmtest for the machines.
package boottest
