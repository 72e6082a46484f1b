package sysctl

import (
	"fmt"
	"strconv"
	"strings"
)

// rule is what the kernel takes for a key: whole numbers within bounds.
type rule struct {
	key    string // a pattern in which * is one part
	fields int    // 0: one
	min    int64
	max    int64 // none: no bound that we know of
}

const none = int64(1<<63 - 1)

// rules are those of Linux 5.7 and later: the widest bounds that any of them has, so that nothing legal is refused. What they mean is in
// Documentation/admin-guide/sysctl/{vm,fs,kernel,net}.rst and Documentation/networking/ip-sysctl.rst, the bounds themselves in the
// tables of the source that is named. Keys that take any number, and those that take text, have no rule: there the kernel
// alone judges, and what it refuses is put back.
var rules = []rule{
	// mm/page-writeback.c. The least of dirty_bytes is two pages, of 4 KiB or more.
	{"vm/dirty_background_bytes", 0, 1, none},
	{"vm/dirty_background_ratio", 0, 0, 100},
	{"vm/dirty_bytes", 0, 8192, none},
	{"vm/dirty_ratio", 0, 0, 100},
	// kernel/sysctl.c, mm/util.c, mm/vmscan.c (200 since 5.8, 100 before), mm/compaction.c, mm/page_alloc.c (3000 since 5.18,
	// 1000 before), fs/dcache.c, mm/swap.c, mm/mmap.c, mm/hugetlb.c
	{"vm/overcommit_memory", 0, 0, 2},
	{"vm/overcommit_kbytes", 0, 0, none},
	{"vm/swappiness", 0, 0, 200},
	{"vm/vfs_cache_pressure", 0, 0, none},
	{"vm/watermark_scale_factor", 0, 1, 3000},
	{"vm/watermark_boost_factor", 0, 0, none},
	{"vm/compaction_proactiveness", 0, 0, 100},
	{"vm/extfrag_threshold", 0, 0, 1000},
	{"vm/min_free_kbytes", 0, 0, none},
	{"vm/min_slab_ratio", 0, 0, 100},
	{"vm/min_unmapped_ratio", 0, 0, 100},
	{"vm/percpu_pagelist_high_fraction", 0, 0, none},
	{"vm/zone_reclaim_mode", 0, 0, none},
	{"vm/page-cluster", 0, 0, none},
	{"vm/panic_on_oom", 0, 0, 2},
	{"vm/max_map_count", 0, 0, none},
	{"vm/admin_reserve_kbytes", 0, 0, none},
	{"vm/user_reserve_kbytes", 0, 0, none},
	{"vm/nr_hugepages", 0, 0, none},
	{"vm/nr_overcommit_hugepages", 0, 0, none},
	{"vm/memfd_noexec", 0, 0, 2},
	{"vm/unprivileged_userfaultfd", 0, 0, 1},
	// fs/file_table.c, fs/file.c, fs/namei.c, fs/exec.c, fs/namespace.c, fs/aio.c, fs/notify/inotify, fs/eventpoll.c
	{"fs/file-max", 0, 0, none},
	{"fs/nr_open", 0, 64, none},
	{"fs/protected_fifos", 0, 0, 2},
	{"fs/protected_hardlinks", 0, 0, 1},
	{"fs/protected_regular", 0, 0, 2},
	{"fs/protected_symlinks", 0, 0, 1},
	{"fs/suid_dumpable", 0, 0, 2},
	{"fs/mount-max", 0, 1, none},
	{"fs/aio-max-nr", 0, 0, none},
	{"fs/inotify/max_user_instances", 0, 0, none},
	{"fs/inotify/max_user_watches", 0, 0, none},
	{"fs/inotify/max_queued_events", 0, 0, none},
	{"fs/epoll/max_user_watches", 0, 0, none},
	// kernel/printk/sysctl.c, kernel/pid.c, kernel/sched, kernel/events/core.c, kernel/bpf/syscall.c, kernel/watchdog.c,
	// kernel/hung_task.c, security/yama, kernel/fork.c, io_uring/io_uring.c
	{"kernel/dmesg_restrict", 0, 0, 1},
	{"kernel/kptr_restrict", 0, 0, 2},
	{"kernel/pid_max", 0, 301, 4194304},
	{"kernel/threads-max", 0, 1, none},
	{"kernel/sched_autogroup_enabled", 0, 0, 1},
	{"kernel/sched_rt_period_us", 0, 1, none},
	{"kernel/sched_rt_runtime_us", 0, -1, none},
	{"kernel/perf_event_max_sample_rate", 0, 1, none},
	{"kernel/perf_cpu_time_max_percent", 0, 0, 100},
	{"kernel/unprivileged_bpf_disabled", 0, 0, 2},
	{"kernel/watchdog", 0, 0, 1},
	{"kernel/watchdog_thresh", 0, 0, 60},
	{"kernel/softlockup_panic", 0, 0, 1},
	{"kernel/hung_task_timeout_secs", 0, 0, none},
	{"kernel/hung_task_warnings", 0, -1, none},
	{"kernel/timer_migration", 0, 0, 1},
	{"kernel/yama/ptrace_scope", 0, 0, 3},
	{"kernel/modules_disabled", 0, 0, 1},
	{"kernel/kexec_load_disabled", 0, 0, 1},
	{"kernel/io_uring_disabled", 0, 0, 2},
	{"kernel/printk", 4, -none, none},
	{"kernel/sem", 4, -none, none},
	// net/core/sysctl_net_core.c
	{"net/core/bpf_jit_enable", 0, 0, 2},
	{"net/core/bpf_jit_harden", 0, 0, 2},
	{"net/core/rmem_default", 0, 1, none},
	{"net/core/rmem_max", 0, 1, none},
	{"net/core/wmem_default", 0, 1, none},
	{"net/core/wmem_max", 0, 1, none},
	{"net/core/somaxconn", 0, 0, none},
	{"net/core/busy_poll", 0, 0, none},
	{"net/core/busy_read", 0, 0, none},
	// net/ipv4/sysctl_net_ipv4.c
	{"net/ipv4/ip_default_ttl", 0, 1, 255},
	{"net/ipv4/ip_local_port_range", 2, 1, 65535},
	{"net/ipv4/ip_unprivileged_port_start", 0, 0, 65535},
	{"net/ipv4/ping_group_range", 2, 0, none},
	{"net/ipv4/tcp_rmem", 3, 1, none},
	{"net/ipv4/tcp_wmem", 3, 1, none},
	{"net/ipv4/tcp_mem", 3, 0, none},
	{"net/ipv4/udp_mem", 3, 0, none},
	{"net/ipv4/tcp_tw_reuse", 0, 0, 2},
	{"net/ipv4/tcp_syn_retries", 0, 1, 127},
	{"net/ipv4/tcp_adv_win_scale", 0, -31, 31},
	{"net/ipv4/tcp_retries1", 0, 0, 255},
	{"net/ipv4/tcp_retries2", 0, 0, 255},
	{"net/ipv4/tcp_keepalive_probes", 0, 0, 255},
	{"net/ipv4/tcp_syncookies", 0, 0, 255},
	{"net/ipv4/tcp_timestamps", 0, 0, 255},
	{"net/ipv4/tcp_sack", 0, 0, 255},
	{"net/ipv4/tcp_window_scaling", 0, 0, 255},
	{"net/ipv4/tcp_mtu_probing", 0, 0, 255},
	{"net/ipv4/tcp_slow_start_after_idle", 0, 0, 255},
	{"net/ipv4/fib_multipath_hash_policy", 0, 0, 3},
}

// ruleOf is the rule for a path; nil: there is none.
func ruleOf(path string) *rule {
	for i := range rules {
		if matches(rules[i].key, path) {
			return &rules[i]
		}
	}
	return nil
}

// check says what is wrong with a value, canonical; "" is nothing.
func (r *rule) check(value string) string {
	fields := strings.Fields(value)
	want := max(1, r.fields)
	if !numbers(fields) || len(fields) != want {
		return fmt.Sprintf("takes %s, found %q", r.words(), value)
	}
	for _, f := range fields {
		if !r.within(f) {
			return fmt.Sprintf("takes %s, found %s", r.words(), value)
		}
	}
	return ""
}

// within compares a number that may be larger than any int64.
func (r *rule) within(f string) bool {
	n, err := strconv.ParseInt(f, 10, 64)
	if err != nil {
		_, unsigned := strconv.ParseUint(f, 10, 64)
		return unsigned == nil && r.max == none
	}
	return n >= r.min && (r.max == none || n <= r.max)
}

// words is what the rule takes: "a number from 0 to 100".
func (r *rule) words() string {
	var what string
	switch {
	case r.min == r.max:
		what = fmt.Sprintf("nothing but %d", r.min)
	case r.max == none && r.min == -none:
		what = "whole number"
	case r.max == none:
		what = fmt.Sprintf("whole number of at least %d", r.min)
	default:
		what = fmt.Sprintf("whole number from %d to %d", r.min, r.max)
	}
	if r.fields > 1 {
		return fmt.Sprintf("%d times a %s", r.fields, what)
	}
	if r.min == r.max {
		return what
	}
	return "a " + what
}

// book is where the kernel's documentation has the key.
func book(path string) string {
	group, _, _ := strings.Cut(path, "/")
	switch {
	case strings.HasPrefix(path, "net/ipv4/") || strings.HasPrefix(path, "net/ipv6/"):
		return "Documentation/networking/ip-sysctl.rst"
	case group == "vm" || group == "fs" || group == "kernel" || group == "net" || group == "user":
		return "Documentation/admin-guide/sysctl/" + group + ".rst"
	}
	return ""
}

// verbatim reports whether the value is free text, in which white space counts.
func verbatim(path string) bool {
	switch path {
	case "kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "kernel/poweroff_cmd":
		return true
	}
	return false
}

// oneWay reports whether the kernel takes this value back at no time before the next boot.
// Documentation/admin-guide/sysctl/kernel.rst; Documentation/admin-guide/LSM/Yama.rst.
func oneWay(path, value string) bool {
	switch path {
	case "kernel/modules_disabled", "kernel/kexec_load_disabled", "kernel/unprivileged_bpf_disabled":
		return value == "1"
	case "kernel/yama/ptrace_scope":
		return value == "3"
	}
	return false
}
