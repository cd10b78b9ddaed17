/*
 * quota.h - Maildir++ quota: the file maildirsize, read and kept as Dovecot does. Private to maildir.
 *
 * maildirsize holds the limits in its first line ("1073741824S") and below a line "BYTES COUNT" for each change,
 * deliveries positive, removals (by Dovecot) negative; the sum is what the mailbox holds. Deliveries append a line and
 * scan nothing. The mailbox is counted again only when the file is missing, malformed, 5,120 octets long or made for
 * another limit, and when it leaves no room for the message at hand but is older than 15 minutes or has more than its
 * first line, since removals by programs that do not know the file would else never be seen. The file is a hint shared
 * with other programs: hostile content gives at worst a wrong count, never more.
 */
#ifndef GODWIT_STORE_MAILDIR_QUOTA_H
#define GODWIT_STORE_MAILDIR_QUOTA_H

#include "store/maildir/maildir.h"

struct maildir_usage {
    int64_t bytes;
    int64_t count;
};

enum maildir_size_verdict {
    MAILDIR_SIZE_TRUSTED,  /* *ret_usage is what the mailbox holds */
    MAILDIR_SIZE_RECOUNT,  /* stale or made for another limit */
};

/* What a mailbox may hold, and what is to be added to it. */
struct maildir_quota {
    uint64_t limit_bytes;
    uint64_t message_bytes;
};

/* Judge the text of a maildirsize file of `age_s` seconds. *ret untouched for MAILDIR_SIZE_RECOUNT. Pure. */
enum maildir_size_verdict maildir_size_eval(struct span text, struct maildir_quota quota, int64_t age_s,
                                            struct maildir_usage *ret);

/* The size a name in cur/ or new/ carries in ",S=NUMBER"; false when it has none. Pure. */
bool maildir_name_size(struct span name, uint64_t *ret);

/*
 * What the mailbox `box` holds: from maildirsize, or by counting and then writing maildirsize anew (`temporary`, a
 * unique name, is used in tmp/). ERR_OK unless the mailbox cannot be read.
 */
NODISCARD enum err maildir_usage_load(struct disk *disk, struct disk_dir *box, struct maildir_quota quota,
                                      int64_t now_us, const char *temporary, struct maildir_usage *ret);

/* Note what was delivered in maildirsize, if there is one. Failures do not matter: the file is a hint. */
void maildir_usage_add(struct disk_dir *box, struct maildir_usage added);

#endif
