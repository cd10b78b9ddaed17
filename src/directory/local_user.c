/*
 * local_user.c - who a user id is, for the edges: asked of the parent, kept for a minute.
 *
 * A failed look-up is not kept. At a new configuration everything is forgotten, since trust may have changed.
 */
#include <stdlib.h>

#include "directory/directory_state.h"
#include "store/local_user.h"

enum { KNOWN_S = 60, NAMELESS_S = 10, ASK_WAIT_S = 10 };

/* An answer that is good for a while. */
struct local_user_answer {
    int64_t until_ns;
    uint32_t uid; /* the key */
    enum local_user_status status;
    bool is_trusted;
    size_t len;
    uint8_t name[LOCAL_USER_NAME_MAX];
};

static struct span
key_of(const uint32_t *uid)
{
    return span_of(uid, sizeof(*uid));
}

void
directory_local_users_forget(struct directory *d)
{
    struct map_cursor cursor;
    void *value;
    map_walk(&d->local_users, &cursor);
    while (map_next(&d->local_users, &cursor, NULL, &value))
        free(value);
    map_done(&d->local_users);
}

static void
remember(struct directory *d, const struct local_user_answer *answer)
{
    if (d->local_users.count >= DIRECTORY_USERS_MAX)
        directory_local_users_forget(d);
    struct local_user_answer *kept = map_get(&d->local_users, key_of(&answer->uid));
    if (kept != NULL) {
        *kept = *answer;
        return;
    }
    kept = malloc(sizeof(*kept));
    if (kept == NULL)
        return;
    *kept = *answer;
    if (map_put(&d->local_users, key_of(&kept->uid), kept, NULL) != ERR_OK)
        free(kept);
}

/* Ask the parent. Whatever goes wrong is LOCAL_USER_UNAVAILABLE. */
static struct local_user_answer
ask(struct fiber *f, struct directory *d, uint32_t uid)
{
    struct local_user_answer answer = {.uid = uid, .status = LOCAL_USER_UNAVAILABLE};
    struct arena mem;
    arena_init(&mem, 16 * 1024);
    const struct ipc_user_name request = {.uid = uid};
    struct ipc_user_name_reply reply;
    enum err e = ipc_user_name(f, deadline_in(d->rt, ASK_WAIT_S * NS_PER_S), ipc_hub_link(d->env->hub, ROLE_PARENT),
                               &request, &mem, &reply);
    if (e == ERR_OK && reply.status < LOCAL_USER_UNAVAILABLE && reply.name.len <= sizeof(answer.name)) {
        answer.status = (enum local_user_status)reply.status;
        answer.is_trusted = reply.is_trusted;
        answer.len = reply.name.len;
        if (answer.len > 0)
            memcpy(answer.name, reply.name.data, answer.len);
    }
    arena_clear(&mem);
    return answer;
}

static struct local_user_answer
find(struct fiber *f, struct directory *d, uint32_t uid)
{
    const struct local_user_answer *known = map_get(&d->local_users, key_of(&uid));
    if (known != NULL && known->until_ns > rt_now_ns(d->rt))
        return *known;
    uint32_t generation = d->env->generation;
    struct local_user_answer answer = ask(f, d, uid);
    answer.until_ns = rt_now_ns(d->rt) + (answer.status == LOCAL_USER_KNOWN ? KNOWN_S : NAMELESS_S) * NS_PER_S;
    /* An answer from before a reload may rest on the old list of trusted users. */
    if (answer.status != LOCAL_USER_UNAVAILABLE && generation == d->env->generation)
        remember(d, &answer);
    return answer;
}

void
directory_on_local_user(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_local_user *request,
                        struct arena *mem, struct ipc_local_user_reply *ret)
{
    (void)from;
    struct local_user_answer answer = find(f, ctx, request->uid);
    ret->status = LOCAL_USER_UNAVAILABLE;
    if (!arena_copy(mem, span_of(answer.name, answer.len), &ret->name))
        return;
    ret->status = (uint8_t)answer.status;
    ret->is_trusted = answer.is_trusted;
}
