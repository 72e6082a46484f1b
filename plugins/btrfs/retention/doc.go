// Package retention decides which snapshots of one source stay and which go, and says why for each of them.
//
// It is a pure function of its arguments: it reads no clock, no file and no environment, and it deletes nothing. The caller
// carries the decision out, and asks again whenever the facts may have changed.
//
// # Words
//
// A snapshot is quarantined when its own facts cannot be believed: it is from the future, has no creation time, or has no
// unique key (or, under a clock that is not trusted, no transaction). A quarantined snapshot stays,
// uses up no slot of any rule, and is neither "newest" nor fresh. All others are valid.
//
// A protected snapshot is one the caller says must stay (pinned, mounted, default subvolume, …).
//
// A spare snapshot is one that only a rule keeps: not protected or quarantined, not the newest, not part of the floor. Decide
// lets it stay. A caller that needs space may let it go.
//
// A doomed snapshot is valid, not protected, and kept by no rule. It is deleted, unless something holds it back: the delete
// cap, or a reason for which nothing at all is deleted (see Decision.Blocked).
//
// # What holds for every decision
//
//   - The newest valid snapshot stays, by time and also by transaction, should the two disagree.
//   - A protected or quarantined snapshot stays.
//   - Protecting a snapshot never dooms another one.
//   - Raising Within, Last, AtLeast or a calendar rule of a valid policy never dooms a snapshot that was not doomed before.
//   - Carrying a decision out and deciding again at the same instant deletes nothing more, unless the delete cap held some back.
//   - The order of the input does not matter.
//
// # Calendar rules
//
// Frequently to Yearly cut time into buckets and keep the oldest snapshot of each of the newest N buckets that have one. Buckets
// without snapshots are not counted, so downtime loses nothing. The oldest of a bucket is the one that never changes while the
// bucket fills up, and the oldest of a month is also the oldest of its day and hour, so no rule depends on another one. With
// KeepNewest it is the newest of each: the one that stands for a bucket that is not over yet then changes with every snapshot,
// and the newest of a month is also the newest of its day and hour.
//
// FrequentlyWithin to YearlyWithin say how far back, not how many. They ask when the bucket ended, not when the snapshot was
// taken: else the oldest of a bucket could go and leave the bucket to the next one, which was to go too.
package retention
