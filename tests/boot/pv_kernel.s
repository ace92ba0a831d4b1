# A guest for a real Xen: a 64-bit PV kernel that says something on its console and then ends, or does not, in a way of
# its own. The way is the entry that it is linked with (see xtf_kernels.py): success, skip, error, failure, crash,
# fault, hang or mute, each of them below.
#
# Notes, hypercalls, `start_info` and the console's ring are as in Xen's public headers: elfnote.h, xen.h, sched.h,
# arch-x86/xen-x86_64.h, event_channel.h, io/console.h. It begins on a stack that Xen made, with `start_info` in rsi.

        .set    SCHED_OP, 29                    # hypercalls
        .set    EVENT_CHANNEL_OP, 32
        .set    SCHED_YIELD, 0                  # of SCHED_OP
        .set    SCHED_SHUTDOWN, 2
        .set    POWEROFF, 0                     # of SCHED_SHUTDOWN
        .set    CRASH, 3
        .set    EVENT_SEND, 4                   # of EVENT_CHANNEL_OP

        .set    CONSOLE_FRAME, 72               # in `start_info`: the machine's frame of the ring
        .set    CONSOLE_EVENT, 80               # and its event channel
        .set    FRAMES, 0xffff800000000000      # the guest's number of each frame of the machine, 8 bytes each

        .set    RING_OUT, 1024                  # in the ring: what the guest says
        .set    RING_MASK, 2047
        .set    RING_TAKEN, 3080                # how far that was taken
        .set    RING_SAID, 3084                 # how far it was said

        # Notes are not loaded: a segment of their own would have to begin with a page, which ld does not see to.
        .macro  note type, content:vararg
        .pushsection .note.Xen, "", @note
        .long   4, 2f - 1f, \type
        .asciz  "Xen"
1:      \content
2:      .balign 4
        .popsection
        .endm

        note    5, .asciz "xen-3.0"             # the interface that it is written for
        note    6, .asciz "xenbump"             # the guest's name
        note    8, .asciz "generic"             # how it is loaded
        note    9, .asciz "yes"                 # 64-bit pages
        note    3, .quad 0                      # its frame 0 is at address 0
        note    2, .quad hypercalls

        .macro  entry name
        .globl  \name
\name:
        .endm

        .macro  says line
        lea     \line(%rip), %rdi
        call    say
        .endm

        .text

        # The four results that a test has.
        entry   success
        says    said_success
        jmp     off

        entry   skip
        says    said_skip
        jmp     off

        entry   error
        says    said_error
        jmp     off

        entry   failure
        says    said_failure
        jmp     off

        # No result: it says of itself that it crashed.
        entry   crash
        says    said_nothing
        mov     $CRASH, %r12d
        jmp     shut_down

        # No result: an instruction that there is none of, without anything that would take the fault.
        entry   fault
        says    said_nothing
        ud2

        # No result, and no end.
        entry   hang
        says    said_nothing
1:      pause
        jmp     1b

        # Goes down in the regular way, and never said a word.
        entry   mute

off:    mov     $POWEROFF, %r12d

        # Ends the guest; r12d says why.
shut_down:
        push    %r12
        mov     $SCHED_SHUTDOWN, %edi
        mov     %rsp, %rsi
        call    hypercalls + 32 * SCHED_OP
        ud2

        # Says the text at rdi, which a 0 ends, and waits until all of it was taken. An entry calls it first of all, so
        # rsi is as it was. What is in rbx and rbp, the ring and the `start_info`, outlives a hypercall.
say:    mov     %rsi, %rbp
        mov     CONSOLE_FRAME(%rbp), %rbx
        movabs  $FRAMES, %rax
        mov     (%rax,%rbx,8), %rbx
        shl     $12, %rbx
        mov     RING_SAID(%rbx), %edx
next:   movzbl  (%rdi), %eax
        test    %al, %al
        jz      told
        mov     %edx, %ecx
        and     $RING_MASK, %ecx
        mov     %al, RING_OUT(%rbx,%rcx)
        inc     %edx
        inc     %rdi
        jmp     next
told:   mov     %edx, RING_SAID(%rbx)           # after the bytes: the processor keeps the order of writes
        mov     $EVENT_SEND, %edi
        lea     CONSOLE_EVENT(%rbp), %rsi
        call    hypercalls + 32 * EVENT_CHANNEL_OP
wait:   mov     $SCHED_YIELD, %edi
        xor     %esi, %esi
        call    hypercalls + 32 * SCHED_OP
        mov     RING_TAKEN(%rbx), %eax
        cmp     RING_SAID(%rbx), %eax
        jne     wait
        ret

        # Xen writes the calls here, 32 bytes for each.
        .balign 4096
hypercalls:
        .skip   4096

        .section .rodata
        .macro  text name, content:vararg
\name:  .ascii  "A kernel of xenbump's own\r\n"
        .asciz  \content
        .endm

        text    said_success, "Test result: SUCCESS\r\n"
        text    said_skip, "Test result: SKIP\r\n"
        text    said_error, "Test result: ERROR\r\n"
        text    said_failure, "Test result: FAILURE\r\n"
        text    said_nothing, ""
