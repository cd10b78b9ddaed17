/*
 * cmd_spool.c - `godwit spool verify|list|export`: looking into a spool without the daemon.
 *
 * Reads only. While the server runs its answers are of no single moment, and say so.
 */
#include "cli/cli.h"

#include "net/log.h"
#include "rt/rt_real.h"
#include "store/envelope.h"
#include "store/spool/inspect.h"

#include <stdio.h>

enum { ENVELOPE_MEMORY_MAX = 64 * 1024 * 1024, PATH_CAP = 4096 };

static bool
write_line(void *arg, struct span line)
{
    (void)arg;
    return fwrite(line.data, 1, line.len, stdout) == line.len && fputc('\n', stdout) != EOF;
}

static bool
write_bytes(void *arg, struct span bytes)
{
    (void)arg;
    return fwrite(bytes.data, 1, bytes.len, stdout) == bytes.len;
}

static int
fail_by(enum err e, const char *path)
{
    switch (e) {
    case ERR_OK: return EX_OK;
    case ERR_NOT_FOUND: return cli_fail(EX_NOINPUT, "nothing of the kind is in the spool at %s", path);
    case ERR_PROTOCOL: return cli_fail(EX_DATAERR, "the spool at %s was written by a newer Godwit; use that one", path);
    case ERR_DAMAGED: return cli_fail(EX_DATAERR, "it is damaged; `godwit spool verify` says where");
    case ERR_CANCELED: return cli_fail(EX_IOERR, "the output could not be written");
    case ERR_DENIED: return cli_fail(EX_NOPERM, "the spool at %s may not be read; run this as root", path);
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_AGAIN:
    case ERR_LIMIT:
    case ERR_FULL:
    case ERR_EXISTS:
    case ERR_SYNTAX:
    case ERR_IO: break;
    }
    return cli_fail(EX_IOERR, "the spool at %s cannot be read (%s)", path, err_name(e));
}

static enum err
verify(struct disk *disk, struct disk_dir *dir)
{
    const struct spool_out lines = {write_line, NULL};
    struct spool_verdict verdict;
    TRY(spool_verify(disk, dir, &lines, &verdict));
    printf("%llu segments, %llu batches, %llu records, %llu messages, %llu body files\n", (unsigned long long)verdict.segments,
           (unsigned long long)verdict.batches, (unsigned long long)verdict.records, (unsigned long long)verdict.messages,
           (unsigned long long)verdict.bodies);
    if (verdict.tails + verdict.orphans > 0)
        printf("%llu unfinished last batches and %llu body files of no message go at the next start; nothing acknowledged is in them\n",
               (unsigned long long)verdict.tails, (unsigned long long)verdict.orphans);
    printf("%llu problems\n", (unsigned long long)verdict.problems);
    return verdict.problems == 0 ? ERR_OK : ERR_DAMAGED;
}

static bool
print_listed(void *arg, const struct spool_listed *m)
{
    size_t *count = arg;
    char id[MESSAGE_ID_TEXT];
    message_id_format(m->id, id);
    printf("%.*s  %llu octets%s%s", MESSAGE_ID_TEXT, id, (unsigned long long)m->content_bytes, m->has_body_file ? "  body file" : "",
           m->is_damaged ? "  DAMAGED" : "");
    struct arena mem;
    arena_init(&mem, ENVELOPE_MEMORY_MAX);
    struct envelope envelope;
    struct buf text;
    buf_init(&text, 1024 * 1024);
    if (envelope_decode(m->state, &mem, &envelope) == ERR_OK) {
        buf_append_cstr(&text, "  from <");
        log_append_escaped(&text, envelope.sender, envelope.sender.len, LOG_ESCAPE_QUOTE);
        buf_append_cstr(&text, ">");
        for (size_t i = 0; i < envelope.recipient_count && i < 10; i++) {
            buf_append_cstr(&text, i == 0 ? " to <" : ", <");
            log_append_escaped(&text, envelope.recipients[i].address, envelope.recipients[i].address.len, LOG_ESCAPE_QUOTE);
            buf_append_cstr(&text, ">");
        }
        if (envelope.recipient_count > 10)
            buf_printf(&text, " and %zu more", envelope.recipient_count - 10);
    }
    if (text.len > 0)
        fwrite(text.data, 1, text.len, stdout);
    buf_done(&text);
    arena_clear(&mem);
    ++*count;
    return fputc('\n', stdout) != EOF;
}

static enum err
list(struct disk *disk, struct disk_dir *dir)
{
    size_t count = 0;
    const struct spool_out lines = {write_line, NULL};
    TRY(spool_list(disk, dir, print_listed, &count));
    printf("%zu messages\n", count);
    enum err e = spool_list_damaged(disk, dir, &lines);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int
run(const struct cli *cli, const char *what, const struct message_id *id)
{
    struct config *config;
    char path[PATH_CAP];
    int status = cli_config_load(cli, &config);
    if (status != EX_OK)
        return status;
    bool fits = span_to_cstr(config->spool.directory.value, path, sizeof(path));
    config_free(config);
    struct disk *disk = fits ? disk_real_new() : NULL;
    if (disk == NULL)
        return cli_fail(EX_OSERR, "the spool's path is too long, or memory is short");
    struct disk_dir *dir;
    enum err e = disk_dir_open(disk, NULL, path, &dir);
    if (e == ERR_OK) {
        const struct spool_out bytes = {write_bytes, NULL};
        if (id != NULL)
            e = spool_export(disk, dir, *id, SPOOL_EXPORT_MESSAGE, &bytes);
        else
            e = strcmp(what, "verify") == 0 ? verify(disk, dir) : list(disk, dir);
        disk_dir_close(dir);
    }
    disk_real_free(disk);
    if (fflush(stdout) != 0)
        e = ERR_CANCELED;
    return fail_by(e, path);
}

int
cmd_spool(const struct cli *cli, int argc, char **argv)
{
    struct message_id id;
    if (argc == 2 && (strcmp(argv[1], "verify") == 0 || strcmp(argv[1], "list") == 0))
        return run(cli, argv[1], NULL);
    if (argc == 3 && strcmp(argv[1], "export") == 0 && message_id_parse(span_from_cstr(argv[2]), &id))
        return run(cli, argv[1], &id);
    return cli_fail(EX_USAGE, "usage: godwit spool verify | spool list | spool export QUEUE-ID");
}
