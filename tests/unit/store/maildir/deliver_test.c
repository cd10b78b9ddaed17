/*
 * deliver_test.c - D1 to D4: on a real disk, on one that crashes at every step, and with the syncs taken away, where
 * the same test has to fail. Requirements 68, 69, 72, 74.
 */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rt/disk_sim.h"
#include "rt/rt_real.h"
#include "store/maildir/maildir.h"

#define ok(call) assert_int_equal((call), ERR_OK)

enum { NAMES_MAX = 64 };

/* --- helpers --- */

static char name_texts[NAMES_MAX][MAILDIR_NAME_MAX];

/* Delivery number `i`: a body that says so, long enough for several sectors. */
static struct maildir_delivery
delivery_make(unsigned i, const char *mailbox, struct buf *content)
{
    snprintf(name_texts[i], MAILDIR_NAME_MAX, "100.M%uP1Q%uR1.host", i, i);
    buf_init(content, 1 << 16);
    buf_printf(content, "Subject: message %u\r\n\r\n", i);
    for (unsigned k = 0; k < 100; k++)
        buf_printf(content, "line %u of message %u\r\n", k, i);
    return (struct maildir_delivery){
        .mailbox = mailbox,
        .name = name_texts[i],
        .sender = SPAN("bob@example.org"),
        .recipient = SPAN("alice@example.test"),
        .content = buf_span(content),
    };
}

struct found {
    struct disk *disk;
    struct disk_dir *dir;
    struct span wanted[NAMES_MAX];
    size_t wanted_count;
    size_t count;      /* files in new/ */
    size_t whole;      /* of them as delivered */
    bool seen[NAMES_MAX];
};

static bool
found_note(void *arg, const char *name)
{
    struct found *found = arg;
    struct disk_file *file;
    static uint8_t octets[1 << 17];
    size_t n = 0;
    found->count++;
    ok(disk_open(found->dir, name, DISK_READ, &file));
    ok(disk_pread(file, 0, octets, sizeof(octets), &n));
    disk_close(file);
    for (size_t i = 0; i < found->wanted_count; i++) {
        if (!span_equal(span_of(octets, n), found->wanted[i]))
            continue;
        found->whole++;
        found->seen[i] = true;
    }
    return true;
}

/* Look at all of mailbox/new; a mailbox that is not there holds nothing. */
static void
mailbox_look(struct disk *disk, struct disk_dir *root, const char *mailbox, struct found *found)
{
    char path[MAILDIR_PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/new", mailbox);
    found->disk = disk;
    found->count = found->whole = 0;
    memset(found->seen, 0, sizeof(found->seen));
    if (disk_dir_open(disk, root, path, &found->dir) != ERR_OK)
        return;
    ok(disk_dir_list(found->dir, found_note, found));
    disk_dir_close(found->dir);
}

static void
wanted_make(const struct maildir_delivery *d, struct buf *file)
{
    bool is_loop;
    buf_init(file, 1 << 17);
    ok(maildir_format(d, file, &is_loop));
}

/* --- on a real disk --- */

struct real {
    char path[64];
    struct disk *disk;
    struct disk_dir *root;
};

static void
real_begin(struct real *r)
{
    snprintf(r->path, sizeof(r->path), "/tmp/godwit-maildir-XXXXXX");
    assert_non_null(mkdtemp(r->path));
    r->disk = disk_real_new();
    ok(disk_dir_open(r->disk, NULL, r->path, &r->root));
}

static void
real_end(struct real *r)
{
    char command[128];
    disk_dir_close(r->root);
    disk_real_free(r->disk);
    snprintf(command, sizeof(command), "rm -rf %s", r->path);
    assert_int_equal(system(command), 0);
}

static void
test_first_delivery_makes_the_mailbox(void **state)
{
    (void)state;
    struct real r;
    struct buf content, file;
    real_begin(&r);
    struct maildir_delivery d = delivery_make(0, "example.test/alice", &content);
    wanted_make(&d, &file);
    maildir_deliver(r.disk, r.root, &d, 1);
    ok(d.ret_error);
    assert_int_equal(d.ret_outcome, MAILDIR_DELIVERED);
    assert_true(d.ret_inode != 0);
    assert_int_equal(d.ret_size_bytes, file.len);
    struct found found = {.wanted = {buf_span(&file)}, .wanted_count = 1};
    mailbox_look(r.disk, r.root, "example.test/alice", &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.whole, 1);
    /* The name carries the sizes, tmp/ is empty, nobody else can read. */
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/example.test/alice/new/%s,S=%zu,W=%zu", r.path, d.name, file.len, file.len + 104);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof(path), "%s/example.test/alice", r.path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof(path), "%s/example.test/alice/tmp", r.path);
    assert_int_equal(rmdir(path), 0);
    buf_done(&content);
    buf_done(&file);
    real_end(&r);
}

/* What is missing of a Maildir is made; the same message again is another file. */
static void
test_parts_that_are_missing_are_made(void **state)
{
    (void)state;
    static const char *const missing[] = {"new", "tmp", "cur"};
    struct real r;
    struct buf content;
    real_begin(&r);
    struct maildir_delivery d = delivery_make(0, "example.test/alice", &content);
    maildir_deliver(r.disk, r.root, &d, 1);
    ok(d.ret_error);
    for (unsigned i = 0; i < ARRAY_LEN(missing); i++) {
        char command[256];
        snprintf(command, sizeof(command), "rm -rf %s/example.test/alice/%s", r.path, missing[i]);
        assert_int_equal(system(command), 0);
        buf_done(&content);
        d = delivery_make(i + 1, "example.test/alice", &content);
        maildir_deliver(r.disk, r.root, &d, 1);
        CHECK(missing[i], d.ret_error == ERR_OK && d.ret_outcome == MAILDIR_DELIVERED);
    }
    buf_done(&content);
    real_end(&r);
}

static void
test_links_are_not_followed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *prepare; /* with the mail directory as %s, twice */
    } rows[] = {
        {"mailbox is a link", "mkdir -p %s/example.test && ln -s /tmp %s/example.test/alice"},
        {"domain is a link", "mkdir -p %s && ln -s /tmp %s/example.test"},
        {"new/ is a link", "mkdir -p %s/example.test/alice/{cur,tmp} && ln -s /tmp %s/example.test/alice/new"},
        {"tmp/ is a link", "mkdir -p %s/example.test/alice/{cur,new} && ln -s /tmp %s/example.test/alice/tmp"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct real r;
        struct buf content;
        char script[512], command[600];
        real_begin(&r);
        snprintf(script, sizeof(script), rows[i].prepare, r.path, r.path);
        snprintf(command, sizeof(command), "bash -c '%s'", script);
        assert_int_equal(system(command), 0);
        struct maildir_delivery d = delivery_make(0, "example.test/alice", &content);
        maildir_deliver(r.disk, r.root, &d, 1);
        CHECK(rows[i].name, d.ret_error != ERR_OK);
        buf_done(&content);
        real_end(&r);
    }
}

/* maildirsize with a second name elsewhere is somebody else's file. */
static void
test_a_hard_linked_size_file_is_left_alone(void **state)
{
    (void)state;
    struct real r;
    struct buf content;
    char command[512];
    real_begin(&r);
    struct maildir_delivery d = delivery_make(0, "example.test/alice", &content);
    snprintf(
        command, sizeof(command),
        "mkdir -p %s/example.test/alice && echo victim >%s/victim && ln %s/victim %s/example.test/alice/maildirsize",
        r.path, r.path, r.path, r.path);
    assert_int_equal(system(command), 0);
    maildir_deliver(r.disk, r.root, &d, 1);
    ok(d.ret_error);
    snprintf(command, sizeof(command), "test \"$(cat %s/victim)\" = victim", r.path);
    assert_int_equal(system(command), 0);
    buf_done(&content);
    real_end(&r);
}

static void
test_refusals(void **state)
{
    (void)state;
    struct real r;
    struct buf content;
    real_begin(&r);
    struct maildir_delivery d = delivery_make(0, "example.test/alice", &content);
    d.content = SPAN("Delivered-To: alice@example.test\r\n\r\nx\r\n");
    maildir_deliver(r.disk, r.root, &d, 1);
    ok(d.ret_error);
    assert_int_equal(d.ret_outcome, MAILDIR_LOOP);
    d.content = buf_span(&content);
    d.quota_bytes = 100;
    maildir_deliver(r.disk, r.root, &d, 1);
    ok(d.ret_error);
    assert_int_equal(d.ret_outcome, MAILDIR_TOO_BIG);
    d.recipient = SPAN("a\r\nb");
    maildir_deliver(r.disk, r.root, &d, 1);
    assert_int_equal(d.ret_error, ERR_SYNTAX);
    static const char *const unsafe[] = {"alice", "/alice", "x/", "../x", "x/..", "a/b/c", ""};
    for (size_t i = 0; i < ARRAY_LEN(unsafe); i++) {
        d.mailbox = unsafe[i];
        maildir_deliver(r.disk, r.root, &d, 1);
        CHECK(unsafe[i], d.ret_error == ERR_SYNTAX);
    }
    struct found found = {.wanted_count = 0};
    mailbox_look(r.disk, r.root, "example.test/alice", &found);
    assert_int_equal(found.count, 0);
    buf_done(&content);
    real_end(&r);
}

static void
test_quota_fills_up(void **state)
{
    (void)state;
    struct real r;
    real_begin(&r);
    unsigned delivered = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct buf content;
        struct maildir_delivery d = delivery_make(i, "example.test/alice", &content);
        d.quota_bytes = 10000; /* four of about 2,300 octets */
        maildir_deliver(r.disk, r.root, &d, 1);
        ok(d.ret_error);
        assert_int_equal(d.ret_outcome, i < 4 ? MAILDIR_DELIVERED : MAILDIR_OVER_QUOTA);
        delivered += d.ret_outcome == MAILDIR_DELIVERED;
        buf_done(&content);
    }
    assert_int_equal(delivered, 4);
    real_end(&r);
}

/* A batch: several mailboxes, one delivery that cannot be; each has its own answer (D4). */
static void
test_each_of_a_batch_fails_alone(void **state)
{
    (void)state;
    struct real r;
    struct maildir_delivery d[6];
    struct buf contents[6], files[6];
    static const char *const boxes[] = {"example.test/alice", "example.test/bob",   "example.test/alice",
                                        "blocked/x",          "example.test/alice", "example.org/alice"};
    real_begin(&r);
    char command[128];
    snprintf(command, sizeof(command), "touch %s/blocked", r.path);
    assert_int_equal(system(command), 0);
    struct found found = {.wanted_count = 0};
    for (unsigned i = 0; i < 6; i++) {
        d[i] = delivery_make(i, boxes[i], &contents[i]);
        wanted_make(&d[i], &files[i]);
        found.wanted[found.wanted_count++] = buf_span(&files[i]);
    }
    maildir_deliver(r.disk, r.root, d, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(d[i].ret_error == ERR_OK, i != 3);
    mailbox_look(r.disk, r.root, "example.test/alice", &found);
    assert_int_equal(found.count, 3);
    assert_true(found.seen[0] && found.seen[2] && found.seen[4]);
    mailbox_look(r.disk, r.root, "example.test/bob", &found);
    assert_true(found.count == 1 && found.seen[1]);
    mailbox_look(r.disk, r.root, "example.org/alice", &found);
    assert_true(found.count == 1 && found.seen[5]);
    for (unsigned i = 0; i < 6; i++) {
        buf_done(&contents[i]);
        buf_done(&files[i]);
    }
    real_end(&r);
}

/* --- on a disk that crashes --- */

enum { CRASH_MESSAGES = 6 };

static const char *const crash_boxes[CRASH_MESSAGES] = {"example.test/alice", "example.test/alice", "example.test/bob",
                                                        "example.test/alice", "example.org/carol",  "example.test/bob"};

/* What one run of the work reported. */
struct work {
    struct maildir_delivery d[CRASH_MESSAGES];
    struct buf contents[CRASH_MESSAGES], files[CRASH_MESSAGES];
};

/*
 * Two batches, the second partly into mailboxes that the first made durable: their inodes are told as the local role
 * does. Errors are in the answers.
 */
static void
work_run(struct disk_sim *sim, struct work *w)
{
    struct disk *disk = disk_sim_mount(sim);
    struct disk_dir *root = NULL;
    for (unsigned i = 0; i < CRASH_MESSAGES; i++) {
        w->d[i] = delivery_make(i, crash_boxes[i], &w->contents[i]);
        w->d[i].ret_error = ERR_IO;
        wanted_make(&w->d[i], &w->files[i]);
        w->d[i].quota_bytes = i % 2 == 0 ? 1000000 : 0;
    }
    if (disk_dir_open(disk, NULL, "/", &root) == ERR_OK) {
        maildir_deliver(disk, root, w->d, 3);
        for (unsigned i = 3; i < CRASH_MESSAGES; i++)
            for (unsigned k = 0; k < 3; k++)
                if (strcmp(crash_boxes[i], crash_boxes[k]) == 0 && w->d[k].ret_error == ERR_OK)
                    w->d[i].durable_inode = w->d[k].ret_inode;
        maildir_deliver(disk, root, w->d + 3, 3);
        disk_dir_close(root);
    }
    disk_sim_unmount(disk);
}

static void
work_done(struct work *w)
{
    for (unsigned i = 0; i < CRASH_MESSAGES; i++) {
        buf_done(&w->contents[i]);
        buf_done(&w->files[i]);
    }
}

/* After the crash: every message reported delivered is in its new/, whole; whatever is in a new/ is whole. */
static bool
promise_is_kept(struct disk_sim *sim, const struct work *w)
{
    struct disk *disk = disk_sim_mount(sim);
    struct disk_dir *root;
    bool is_kept = true;
    ok(disk_dir_open(disk, NULL, "/", &root));
    struct found found = {.wanted_count = 0};
    for (unsigned i = 0; i < CRASH_MESSAGES; i++)
        found.wanted[found.wanted_count++] = buf_span(&w->files[i]);
    for (unsigned i = 0; i < CRASH_MESSAGES; i++) {
        mailbox_look(disk, root, crash_boxes[i], &found);
        is_kept &= found.whole == found.count;
        is_kept &= w->d[i].ret_error != ERR_OK || found.seen[i];
    }
    disk_dir_close(root);
    disk_sim_unmount(disk);
    return is_kept;
}

struct crash_result {
    uint64_t steps;
    unsigned runs;
    unsigned broken;
    unsigned reported; /* deliveries reported done in runs that crashed */
};

/* Crash at every step, look at each crash with several fates of what was not synced. `prepare` may take syncs away. */
static struct crash_result
crash_everywhere(void (*prepare)(struct disk_sim *sim))
{
    struct crash_result result = {0};
    struct disk_sim *whole = disk_sim_new(9);
    struct work w;
    work_run(whole, &w);
    for (unsigned i = 0; i < CRASH_MESSAGES; i++)
        ok(w.d[i].ret_error);
    work_done(&w);
    result.steps = disk_sim_steps(whole);
    disk_sim_free(whole);
    for (uint64_t step = 1; step <= result.steps + 1; step++) {
        struct disk_sim *sim = disk_sim_new(9);
        if (prepare != NULL)
            prepare(sim);
        if (step <= result.steps)
            disk_sim_crash_at(sim, step);
        work_run(sim, &w);
        for (unsigned i = 0; i < CRASH_MESSAGES; i++)
            result.reported += w.d[i].ret_error == ERR_OK;
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct disk_sim *after = disk_sim_clone(sim);
            disk_sim_reboot(after, seed);
            result.runs++;
            result.broken += !promise_is_kept(after, &w);
            disk_sim_free(after);
        }
        work_done(&w);
        disk_sim_free(sim);
    }
    return result;
}

static void
test_crash_at_every_step(void **state)
{
    (void)state;
    struct crash_result r = crash_everywhere(NULL);
    print_message("%llu steps, %u crashes looked at, %u deliveries reported before them\n", (unsigned long long)r.steps,
                  r.runs, r.reported);
    assert_true(r.steps > 40);
    assert_true(r.reported > 100);
    assert_int_equal(r.broken, 0);
}

static void
ignore_data_syncs(struct disk_sim *sim)
{
    disk_sim_ignore_data_syncs(sim, true);
}

static void
ignore_dir_syncs(struct disk_sim *sim)
{
    disk_sim_ignore_dir_syncs(sim, true);
}

/* The test above can fail: without either kind of sync it does. */
static void
test_without_syncs_mail_is_lost(void **state)
{
    (void)state;
    assert_true(crash_everywhere(ignore_data_syncs).broken > 0);
    assert_true(crash_everywhere(ignore_dir_syncs).broken > 0);
}

/* A sync that fails is never reported as a delivery, and later deliveries of the mailbox are as durable as they say. */
static void
test_failed_syncs(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint64_t skip = 0; skip < 12; skip++) {
            struct disk_sim *sim = disk_sim_new(5);
            struct work w;
            if (kind == 0)
                disk_sim_fail_data_sync(sim, skip);
            else
                disk_sim_fail_dir_sync(sim, skip);
            work_run(sim, &w);
            for (uint64_t seed = 1; seed <= 8; seed++) {
                struct disk_sim *after = disk_sim_clone(sim);
                disk_sim_reboot(after, seed);
                struct disk *disk = disk_sim_mount(after);
                struct disk_dir *root;
                ok(disk_dir_open(disk, NULL, "/", &root));
                struct found found = {.wanted_count = 0};
                for (unsigned i = 0; i < CRASH_MESSAGES; i++)
                    found.wanted[found.wanted_count++] = buf_span(&w.files[i]);
                for (unsigned i = 0; i < CRASH_MESSAGES; i++) {
                    mailbox_look(disk, root, crash_boxes[i], &found);
                    assert_true(w.d[i].ret_error != ERR_OK || found.seen[i]);
                }
                disk_dir_close(root);
                disk_sim_unmount(disk);
                disk_sim_free(after);
            }
            work_done(&w);
            disk_sim_free(sim);
        }
    }
}

/* A full disk: nothing half-written in new/, and the error says so. */
static void
test_full_disk(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(5);
    struct work w;
    disk_sim_set_capacity(sim, 8 * 1024);
    work_run(sim, &w);
    unsigned full = 0;
    for (unsigned i = 0; i < CRASH_MESSAGES; i++)
        full += w.d[i].ret_error == ERR_FULL;
    assert_true(full > 0);
    disk_sim_set_capacity(sim, UINT64_MAX);
    assert_true(promise_is_kept(sim, &w));
    work_done(&w);
    disk_sim_free(sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_delivery_makes_the_mailbox),
        cmocka_unit_test(test_parts_that_are_missing_are_made),
        cmocka_unit_test(test_links_are_not_followed),
        cmocka_unit_test(test_a_hard_linked_size_file_is_left_alone),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_quota_fills_up),
        cmocka_unit_test(test_each_of_a_batch_fails_alone),
        cmocka_unit_test(test_crash_at_every_step),
        cmocka_unit_test(test_without_syncs_mail_is_lost),
        cmocka_unit_test(test_failed_syncs),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
