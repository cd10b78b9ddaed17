/*
 * parsing.h - what tests of the configuration share: a text read whole, and what was said about it.
 */
#ifndef GODWIT_TESTS_UNIT_CONFIG_PARSING_H
#define GODWIT_TESTS_UNIT_CONFIG_PARSING_H

#include "check.h"

#include "config/config.h"

/* A text that was read: `config` is NULL when there were problems, which `said` prints. */
struct parsing {
    struct config_sources sources;
    struct config_problems problems;
    struct config *config;
    struct buf said;
};

static inline void
parsing_read(struct parsing *p)
{
    config_problems_init(&p->problems);
    buf_init(&p->said, 1024 * 1024);
    p->config = NULL;
    enum err e = config_parse(&p->sources, &p->problems, &p->config);
    assert_true(e == ERR_OK || e == ERR_SYNTAX);
    assert_int_equal(e == ERR_OK, p->config != NULL);
    assert_int_equal(e == ERR_OK, p->problems.count == 0);
    assert_int_equal(config_problems_print(&p->problems, &p->said), ERR_OK);
}

/* Read `text` as the file /etc/godwit/godwit.conf. End with parsing_done(). */
static inline void
parsing_of(struct parsing *p, const char *text)
{
    config_sources_init(&p->sources);
    assert_int_equal(config_sources_from_text(&p->sources, SPAN("/etc/godwit/godwit.conf"), span_from_cstr(text)),
        ERR_OK);
    parsing_read(p);
}

static inline void
parsing_done(struct parsing *p)
{
    config_free(p->config);
    config_sources_done(&p->sources);
    config_problems_done(&p->problems);
    buf_done(&p->said);
}

/* Fail unless `text` is read without a problem. */
static inline void
parsing_valid(struct parsing *p, const char *name, const char *text)
{
    parsing_of(p, text);
    if (p->config == NULL)
        fail_msg("%s: %.*s", name, (int)p->said.len, (const char *)p->said.data);
}

/*
 * Fail unless all that is said about `text` is `wanted`, a line a problem; each "/etc/godwit/godwit.conf:" is left
 * out of both.
 */
static inline void
parsing_says(const char *name, const char *text, const char *wanted)
{
    struct parsing p;
    struct buf said;
    parsing_of(&p, text);
    buf_init(&said, 1024 * 1024);
    for (struct span rest = buf_span(&p.said), line; span_cut(rest, '\n', &line, &rest);) {
        struct span file = SPAN("/etc/godwit/godwit.conf:");
        if (span_has_prefix(line, file))
            line = span_skip(line, file.len);
        (void)buf_append(&said, line);
        (void)buf_append_octet(&said, '\n');
    }
    CHECK_SPAN(name, buf_span(&said), span_from_cstr(wanted));
    buf_done(&said);
    parsing_done(&p);
}

#endif
