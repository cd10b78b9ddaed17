/* date_test.c - RFC 5322 §3.3 and RFC 3339, against the C library's calendar. */
#include "check.h"

#include "text/date.h"

#include <time.h>

static void
test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t wall_us;
        int32_t zone;
        const char *mail, *log;
    } rows[] = {
        {"epoch", 0, 0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000000Z"},
        {"before", -1, 0, "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.999999Z"},
        {"east", INT64_C(1793606705123456), 60, "Mon, 2 Nov 2026 09:05:05 +0100", "2026-11-02T08:05:05.123456Z"},
        {"west over midnight", INT64_C(1793584800000000), -210, "Sun, 1 Nov 2026 22:30:00 -0330",
         "2026-11-02T02:00:00.000000Z"},
        {"leap day", INT64_C(1709164800000000), 0, "Thu, 29 Feb 2024 00:00:00 +0000", "2024-02-29T00:00:00.000000Z"},
        {"far too late", INT64_MAX, 0, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.999999Z"},
        {"far too early", INT64_MIN, -60, "Sat, 1 Jan 0000 00:00:00 -0100", "0000-01-01T00:00:00.000000Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_int_equal(date_format_mail(rows[i].wall_us, rows[i].zone, &b), ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&b), span_from_cstr(rows[i].mail));
        buf_clear(&b);
        assert_int_equal(date_format_log(rows[i].wall_us, &b), ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&b), span_from_cstr(rows[i].log));
        buf_done(&b);
    }
}

static void
test_against_library(void **state)
{
    (void)state;
    /* Every 11 hours and a bit, from the year 1 to 4000. */
    for (int64_t second = -INT64_C(62135596800); second < INT64_C(64060588800); second += 41111) {
        time_t t = (time_t)second;
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        struct date d = date_from_wall(second * 1000000, 0);
        if (d.year != tm.tm_year + 1900 || d.month != tm.tm_mon + 1 || d.day != tm.tm_mday || d.hour != tm.tm_hour ||
            d.minute != tm.tm_min || d.second != tm.tm_sec || d.weekday != tm.tm_wday)
            fail_msg("second %lld", (long long)second);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_against_library)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
