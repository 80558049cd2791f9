# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that a report's title does not name: how a check works, how one waits, who dispatches.

Names of kernel functions, of 7.3 and of older kernels where they differ, grouped
by what they are for. A pattern has to match the whole name.
"""

from __future__ import annotations

import re


def _pattern(*texts: str) -> re.Pattern[str]:
    return re.compile("|".join(word for text in texts for word in text.split()))


# What reports: lib/dump_stack.c, kernel/panic.c, lib/bug.c, arch/*/kernel/{traps,dumpstack,entry}.
_REPORTING = r"""
    _*dump_(?:stack|backtrace|header)\w* _*show_(?:stack|regs|trace)\w*
    (?:arch_)?(?:un)?walk_stack\w* stack_trace_\w+ _*save_stack\w* arch_stack_walk\w* unwind_\w+
    v?panic nmi_panic\w* _*warn(?:_\w+)? check_panic_on_warn report_bug\w* _*report_bug_entry
    fixup_bug handle_bug is_valid_bugaddr brk_handler bug_(?:brk_)?handler call_break_hook
    do_debug_exception el1_\w+ el1h_\w+ do_(?:sp_pc|el1)_\w+ asm_exc_\w+ exc_\w+ do_error\w*
    do_trap\w* \w+_trap invalid_op do_invalid_op _*die(?:_\w+)? oops_\w+
    (?:__|bad_|do_|kernelmode_)?page_fault\w* _*do_(?:user|kernel|translation|page)_?fault\w*
    fault_in_\w+ do_(?:mem|tag)_\w+ _*bad_area\w* no_context page_fault_oops _*do_kernel_fault
    do_general_protection general_protection do_DataAbort __dabt_(?:svc|usr) __und_\w+ el0_\w+
    fail_(?:dump|nth) should_fail\w* _*print_\w+ _*virt_to_phys\w* _*compound_head _*printk\w*
    vprintk\w* (?:__)?dynamic_\w+_dbg _*dev_(?:printk|emerg|alert|crit|err|warn|notice|info)\w*
    nmi_\w*backtrace\w* nmi_trigger\w* arch_trigger\w* trigger_\w*backtrace rcu_dump_\w+
    program_check_\w+ add_taint get_taint print_oops_end_marker kunit_\w+_?assert\w*
    _*stack_chk_fail\w* _*fortify_(?:report|panic) assertfail rust_helper_BUG
    rust_(?:begin_unwind|panic) _*core_panic\w* _R\w*(?:panicking|panic_fmt|unwind)\w* segv\w*
    sig_handler\w* bus_handler relay_signal hard_handler
"""
# What checks memory: mm/kasan, mm/kmsan, mm/kfence, kernel/kcsan, lib/ubsan.c, mm/usercopy.c,
# mm/slub.c, lib/debugobjects.c.
_CHECKING = r"""
    _*(?:k|hw)?asan_\w+ \w*kasan\w* _*(?:k)?msan_\w+ \w*kmsan\w* _*kfence_\w+ \w*kfence\w*
    _*kcsan_\w+ _*tsan_\w+ _*ubsan_\w+ _*sanitizer_\w+ (?:__)?check_memory_region\w* handle_overflow
    val_to_string write_comp_data _*(?:check|usercopy)_\w*(?:heap_object|object_size|abort)\w*
    _*check_object(?:_size)? check_bytes_and_report object_err slab_err\w* slab_\w+
    free_debug_processing alloc_debug_processing on_freelist read_word_at_a_time
    (?:read|write)_once_\w*nocheck instrument_\w+
    _*debug_(?:print_object|object_\w+|check_no_obj_freed|object) \w+_is_static_object
    _*phys_addr\w* debug_smp_processor_id _*this_cpu_preempt_check check_preemption_disabled
    _*might_(?:sleep|resched|fault)\w*
"""
# Locks and waiting: kernel/locking, kernel/rcu, kernel/softirq.c, kernel/sched.
_LOCKING = r"""
    \w*lockdep\w* debug_check_no_\w+ _*schedule(?:_bug|_debug|_timeout\w*|_idle)?
    preempt_schedule\w*
    _*lock_(?:acquire|release|acquired|contended|is_held\w*|downgrade|unpin_lock|pin_lock)\w*
    (?:un)?register_lock_class \w*lock_class\w* mark_(?:lock|usage|held_locks)\w*
    reacquire_held_locks look_up_lock_class
    check_(?:prev_add|prevs_add|noncircular|irq_usage|usage\w*|wait_context|deadlock|flags|lock\w*|chain_key)
    validate_chain valid_state find_held_lock trace_(?:hard|soft)irqs_\w+ assign_lock_key
    look_up\w*_class
    _*(?:do_)?(?:raw_|rt_|native_queued_|queued_)*(?:spin|read|write|rw)_?(?:rq_)?(?:seq)?(?:un|try)?lock\w*
    _raw_\w+_(?:un)?lock\w* spin_(?:bug|dump) rwlock_bug _*(?:rt_)?mutex_\w+ _*ww_mutex_\w+
    _*(?:down|up)(?:_(?:read|write|trylock|killable|interruptible|timeout)\w*)? rwsem_\w+
    osq_(?:un)?lock owner_on_cpu __bh_\w*able\w* _*local_bh_\w*able\w* _*rcu_read_(?:un)?lock\w*
    (?:lock|release)_sock(?:_nested|_fast)? _*sk_destruct percpu_(?:down|up)_\w+ seqprop_\w+
    raw_spin_rq\w*
"""
# Memory: mm/slub.c, mm/page_alloc.c, mm/vmalloc.c and what asks them for others.
_MEMORY = r"""
    _*k?v?[mzc]?alloc(?:ate)?(?:_(?:node|array|large|slow|noprof|trace|track_caller|order|obj\w*|flex|type)\w*)?
    _*do_kmalloc\w* _*k[vmz]+alloc\w*
    _*k(?:mem_cache|realloc|v?free|memdup|strn?dup|strdup|calloc)\w* kvfree\w* _*vmalloc\w*
    _*vmap_\w+ _*vzalloc\w* allocate_slab new_slab\w* _*alloc_(?:frozen_)?pages?\w* _*alloc_pages\w*
    _*get_free_pages\w* folio_alloc\w* _*folio_(?:un)?lock\w* (?:un)?lock_page\w*
    _*filemap_(?:alloc|get)_folio\w*
    (?:find_or_create|pagecache_get|grab_cache|read_cache)_(?:page|folio)\w*
    do_read_cache_(?:page|folio)\w* memdup_user\w* v?mem\w*dup\w* _*slab_(?:alloc|free)\w*
    ___slab_alloc do_slab_free _*vunmap vfree\w* create_object\w* kmemleak_\w+ _*pcpu_alloc\w*
    _*alloc_percpu\w* pcpu_\w+ _*list_lru_init\w* _*page_cache_alloc\w* sget_userns
"""
# Small helpers: lib/, include/linux: lists, trees, strings, bits, reference counts, user copies, printf.
_HELPERS = r"""
    _*h?list_(?:add|del|replace|move|splice|empty|bl|nulls)\w* _*rb_\w+ klist_\w+
    xas_(?:start|load|find|descend)\w* rhashtable_lookup\w* _*mem(?:cpy|cmp|set|chr|move|scan)\w*
    _*str(?:n|l|s)?(?:cmp|cpy|len|str|chr|cat|nlen|nstr|scpy|pbrk|sep|casecmp)\w* \w*n?printf
    string\w* _*pointer\w* va_format _*copy_(?:to|from|in|page|folio)_?\w*(?:user|iter)\w*
    _*copy_(?:to|from)_\w+ copy(?:in|out) _*(?:get|put)_user\w* raw_copy_\w+
    _*(?:arch_|raw_)?atomic(?:64|_long)?_\w+
    _*(?:arch_)?(?:set|clear|change|test)(?:_and_\w+)?_bit\w* refcount_\w+ _*kref_\w+ ref_tracker\w*
    _*crc\d*\w* hex_dump_to_buffer print_hex_dump\w* _*(?:x86_)?indirect_thunk\w*
    (?:read|write)[bwlq] logic_(?:in|out)\w* extract_(?:user|iter)_to_sg csum_\w+ hex_string
    usercopy_\w+ _*(?:v?panic|schedule_bug) kvasprintf\w* _*free_pages\w* _*call_rcu\w*
    retint_kernel _*cond_resched\w* ___preempt_schedule\w* trace_event_\w+ perf_trace\w* hweight\w*
"""
# Objects whose misuse is the caller's bug: timers, work, completions, kobjects, devices, dentries, inodes.
_OBJECTS = r"""
    _*wake_up\w* complete wait_for_completion\w* finish_wait post_alloc_hook _*set_page_owner
    flush_\w*work\w* _*(?:mod|del|add|init)_timer\w* _*timer_(?:delete|shutdown)\w*
    _*try_to_del_timer\w* lock_timer_base sk_stop_timer\w* _*queue_(?:delayed_)?work\w* insert_work
    _*cancel_(?:delayed_)?work\w* try_to_grab_pending\w* work_grab_pending
    _*flush_(?:work|delayed_work|workqueue)\w* (?:drain|destroy)_workqueue kthread_stop
    _*kobject_\w+ add_uevent_var
    device_(?:add|del|unregister|destroy|release|for_each_child|remove_file|create\w*) put_device
    get_device_parent devres_release_all sysfs_\w+ internal_create_group\w* unregister_netdev\w*
    rollback_registered\w* kfree_skb\w* skb_(?:panic|pull|push|put|over|under)\w*
    usb_(?:submit|kill|control|hcd_submit|kill_anchored|start_wait)_\w+ dummy_urb_enqueue
    i(?:put|hold)(?:_final)? free_large_kmalloc _*proc_(?:register|create\w*) remove_proc_\w+
    dpm_sysfs_\w+ d?put fast_dput drop_nlink ida_free mark_buffer_dirty cleanup_srcu_struct\w*
    hwrng_unregister i2c_del_adapter tty_unregister_device truncate_inode_pages_range
    find_lock_entries
"""

HOW = _pattern(_REPORTING, _CHECKING, _LOCKING, _MEMORY, _HELPERS, _OBJECTS)
"""Functions that are a part of a check, or helpers that anybody may call."""

WAITING = re.compile(
    r"\w*(?:sched|_lock|_slowlock|down|rwsem|completion|kthread|wait|synchronize|context_switch|__switch_to"
    r"|cancel_delayed_work|rcu_barrier|schedule|lock_nested|flush_work)\w*|rcu_\w+|io_schedule\w*"
)
"""Ways to wait, at the top of a hung task's stack."""

DISPATCHING = _pattern(r"""
    do_(?:fast_)?syscall_\w+ \w*syscall_entry\w* x64_sys_call ia32_sys_call invoke_syscall
    el0_svc\w* entry_SYSCALL\w* entry_SYSENTER\w* sysenter_dispatch tracesys_phase2 ret_fast_syscall
    handle_syscall process_(?:one_work|scheduled_works) worker_thread kthread ret_from_fork\w*
    smpboot_thread_fn run_ksoftirqd start_secondary cpu_startup_entry new_thread_handler
    (?:__)?do_softirq\w* handle_softirqs call_timer_fn \w*_?run_timers?\w* run_timer_softirq
    \w*hrtimer_run\w* tasklet_(?:hi_)?action\w* \w*netif_receive_skb\w* task_work_run _*fput
    exit_to_user\w* _*vfs_(?:read|write|ioctl|iter_read|iter_write|open) do_vfs_ioctl
    k?sys_ioctl|ioctl do_iter_(?:read|write|readv_writev) new_sync_(?:read|write)
    call_(?:read|write)_iter call_mmap mmap_region do_mmap\w* do_dentry_open
    (?:compat_)?blkdev_(?:driver_)?ioctl \w*compat_\w*ioctl
    _*sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl|common_setsockopt)\w* compat_sock_ioctl
    (?:kernel_)?setsockopt kernel_(?:listen|accept) listen|accept|connect|socketpair
    sk_common_release (?:nfnetlink|rtnetlink)_rcv_msg netlink_dump _*do_fault
    do_page_fault|page_fault \w*smp_call_function\w*
""")
"""What calls something else by a pointer: what it called says which part of the kernel is busy."""

TICK = _pattern(r"""
    (?:asm_)?(?:sysvec_)?(?:smp_)?(?:asm_)?apic_timer_interrupt asm_sysvec_\w+ el1_irq el1h_64_irq
    ret_from_intr
    asm_common_interrupt call_on_stack __irq_svc
""")
"""Where the interrupt came in that found the kernel looping."""
