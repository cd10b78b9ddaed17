/*
 * fiber_switch.S - leave one stack for another.
 *
 *     void fiber_switch(void **save_sp, void *to_sp);
 *
 * Saves what a called function has to preserve on the present stack, stores the stack pointer in *save_sp, takes up
 * to_sp and restores from there. A new stack holds the frame that fiber_frame_make() (fiber.c) wrote: its "return"
 * leads to fiber_start, which calls the function in one register with the argument in another and never comes back.
 * Signal masks are not switched: that would cost two system calls. There is no CET note in this object, so a
 * program linked with it runs without shadow stacks, which know nothing of a second stack.
 */
#if defined(__x86_64__)

/* The frame, upwards: mxcsr and x87 control word, r15, r14, r13, r12, rbx, rbp, return address. */
    .text
    .globl fiber_switch
    .hidden fiber_switch
    .type fiber_switch, @function
    .p2align 4
fiber_switch:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmp *%rcx
    .cfi_endproc
    .size fiber_switch, . - fiber_switch

    .globl fiber_start
    .hidden fiber_start
    .type fiber_start, @function
    .p2align 4
fiber_start:
    .cfi_startproc
    .cfi_undefined rip
    movq %r12, %rdi
    xorl %ebp, %ebp
    callq *%r13
    ud2
    .cfi_endproc
    .size fiber_start, . - fiber_start

#elif defined(__aarch64__)

/* The frame, upwards: x19 to x28, x29, x30, d8 to d15, fpcr and padding. */
    .text
    .globl fiber_switch
    .hidden fiber_switch
    .type fiber_switch, %function
    .p2align 4
fiber_switch:
    .cfi_startproc
    sub sp, sp, #176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    ret
    .cfi_endproc
    .size fiber_switch, . - fiber_switch

    .globl fiber_start
    .hidden fiber_start
    .type fiber_start, %function
    .p2align 4
fiber_start:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x19
    mov x29, xzr
    blr x20
    brk #0
    .cfi_endproc
    .size fiber_start, . - fiber_start

#else
#error "fibers are written for x86-64 and aarch64"
#endif

    .section .note.GNU-stack, "", %progbits
