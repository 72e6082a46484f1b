// Package sdk is what a plugin of coppice is made of: typed actions, the changes they plan,
// and what can go wrong.
//
// A plugin is a program that serves a Plugin, a named set of actions (package serve is its main); a playbook calls them as
// PLUGIN.ACTION. `coppice plugin init` writes one to begin with, and package plugintest holds it against what plugins
// promise. The examples show an action that reads, one that writes and overlays planned changes, progress, cancellation, secrets and
// child processes.
//
// Words. An action either reads or writes. A reading action is done by Plan
// alone. A writing action has Plan, which looks at the machine and decides, and
// Apply, which does what that plan says. All decisions are made in Plan: a
// preview is a Plan that is never applied, so an action has no dry-run flag. A
// change is one thing that a plan would create, update, delete or run. Prior
// changes are those that earlier steps of a preview have planned and nobody has
// made yet: Plan lays them over what it observes, so that a later step of a
// preview sees what it would see in a run.
//
// The package never starts a process, opens a socket or reads a clock: package
// serve does the first two, and the run's instant comes with each call.
package sdk
