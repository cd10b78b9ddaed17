/* password.c - libxcrypt's reentrant calls, with its working memory on the heap and cleared afterwards. */
#include "directory/password.h"

#include <crypt.h>
#include <stdlib.h>

/* One call of crypt_r(): the NUL-terminated copies it wants and 32 KiB of its own. */
struct work {
    char password[PASSWORD_OCTETS_MAX + 1];
    char setting[CRYPT_OUTPUT_SIZE];
    struct crypt_data data;
};

static void
work_free(struct work *w)
{
    if (w == NULL)
        return;
    explicit_bzero(w, sizeof(*w));
    free(w);
}

/* The hash as `setting` wants it, borrowed from `w`; NULL when libxcrypt does not take the setting. */
static const char *
work_run(struct work *w)
{
    const char *hash = crypt_r(w->password, w->setting, &w->data);
    return hash == NULL || hash[0] == '*' ? NULL : hash;
}

enum err
password_hash(struct span password, const uint8_t salt[PASSWORD_SALT_BYTES], struct buf *to)
{
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_LIMIT;
    enum err e = ERR_SYNTAX;
    if (!span_is_empty(password) && span_to_cstr(password, w->password, sizeof(w->password))) {
        const char *hash = NULL;
        if (crypt_gensalt_rn("$y$", 0, (const char *)salt, PASSWORD_SALT_BYTES, w->setting, sizeof(w->setting)) != NULL)
            hash = work_run(w);
        e = hash == NULL ? ERR_LIMIT : buf_append(to, span_from_cstr(hash));
    }
    work_free(w);
    return e;
}

static bool
octets_are_equal(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    unsigned difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference |= a.data[i] ^ b.data[i];
    return difference == 0;
}

enum err
password_check(struct span password, struct span hash, bool *ret_is_right)
{
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_LIMIT;
    bool is_right = false;
    if (!span_is_empty(hash) && span_to_cstr(password, w->password, sizeof(w->password)) &&
        span_to_cstr(hash, w->setting, sizeof(w->setting))) {
        const char *again = work_run(w);
        is_right = again != NULL && octets_are_equal(span_from_cstr(again), hash);
    }
    work_free(w);
    *ret_is_right = is_right;
    return ERR_OK;
}
