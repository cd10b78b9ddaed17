/*
 * user.c - the name of a user id, for mail that comes in on the local socket.
 *
 * The machine's own list of users is asked in the thread pool: behind it may be a directory server. Trust is given to
 * user ids, not to spellings: every name in `trusted-users` is looked up and compared by its number. uid 0 is always
 * trusted.
 */
#include "parent/parent.h"

#include "store/local_user.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

enum { PASSWD_BYTES_MAX = 64 * 1024, TRUSTED_MAX = 256 /* names of trusted-users that are looked at */ };

/* One question in the thread pool, on copies: the configuration may change meanwhile. */
struct question {
    uid_t uid;
    char trusted[TRUSTED_MAX][LOCAL_USER_NAME_MAX + 1];
    size_t trusted_count;
    enum local_user_status status;
    char name[LOCAL_USER_NAME_MAX + 1];
    bool is_trusted;
    char bytes[PASSWD_BYTES_MAX];
};

static bool
is_absent(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH;
}

static void
find_name(struct question *q)
{
    struct passwd entry, *found = NULL;
    int error = getpwuid_r(q->uid, &entry, q->bytes, sizeof(q->bytes), &found);
    if (found == NULL) {
        q->status = is_absent(error) ? LOCAL_USER_NAMELESS : LOCAL_USER_UNAVAILABLE;
    } else if (found->pw_name[0] == '\0' ||
               !span_to_cstr(span_from_cstr(found->pw_name), q->name, sizeof(q->name))) {
        q->status = LOCAL_USER_NAMELESS; /* no local part is that long */
    }
}

/* A name or a number of trusted-users. */
static bool
is_id_of(struct question *q, const char *name)
{
    struct passwd entry, *found = NULL;
    uint64_t number;
    if (span_to_u64(span_from_cstr(name), UINT32_MAX, &number))
        return number == q->uid;
    int error = getpwnam_r(name, &entry, q->bytes, sizeof(q->bytes), &found);
    if (found == NULL && !is_absent(error))
        q->status = LOCAL_USER_UNAVAILABLE;
    return found != NULL && found->pw_uid == q->uid;
}

static void
question_run(void *arg)
{
    struct question *q = arg;
    find_name(q);
    q->is_trusted = q->uid == 0;
    for (size_t i = 0; i < q->trusted_count && !q->is_trusted; i++)
        q->is_trusted = is_id_of(q, q->trusted[i]);
    if (q->status == LOCAL_USER_NAMELESS && q->uid == 0) {
        q->status = LOCAL_USER_KNOWN; /* a root file system without users */
        memcpy(q->name, "root", sizeof("root"));
    }
}

static struct question *
question_new(const struct config *config, uint32_t uid)
{
    struct question *q = calloc(1, sizeof(*q)); /* too large for the stack of a fiber */
    if (q == NULL)
        return NULL;
    q->uid = uid;
    const struct config_text_list *trusted = &config->trusted_users;
    for (size_t i = 0; i < trusted->count && q->trusted_count < TRUSTED_MAX; i++) {
        char *to = q->trusted[q->trusted_count];
        q->trusted_count += span_to_cstr(trusted->items[i].value, to, sizeof(q->trusted[0]));
    }
    return q;
}

void
user_name_find(struct fiber *f, struct parent *parent, uint32_t uid, struct arena *mem, struct ipc_user_name_reply *ret)
{
    struct question *q = question_new(parent->now.config, uid);
    ret->status = LOCAL_USER_UNAVAILABLE;
    if (q == NULL)
        return;
    if (rt_pool_run(f, question_run, q) == ERR_OK && arena_copy(mem, span_from_cstr(q->name), &ret->name)) {
        ret->status = (uint8_t)q->status;
        ret->is_trusted = q->is_trusted;
    }
    free(q);
}
