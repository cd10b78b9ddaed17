/*
 * compiler.h - the short list of GNU attributes the code uses, under one name each.
 *
 * Everything else in the tree is plain C17. An attribute that is not listed here is not used.
 */
#ifndef GODWIT_BASE_COMPILER_H
#define GODWIT_BASE_COMPILER_H

/* The result must be looked at: every function that returns enum err carries it. */
#define NODISCARD __attribute__((warn_unused_result))

/* printf-like: `fmt` and `args` are the 1-based positions of the format and of its first argument. */
#define FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))

/* Run `fn(&variable)` when the variable leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define FALLTHROUGH __attribute__((fallthrough))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that contains `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
