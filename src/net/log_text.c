/* log_text.c - what a log line, a trail or a status text shows of foreign octets and of time: printable ASCII. */
#include "net/log.h"

/* Days since 1970-01-01 to a proleptic Gregorian date; `days` >= 0. */
static void
civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468; /* days since 0000-03-01 */
    int64_t era = z / 146097, day_of_era = z % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153; /* 0 is March */
    *ret_day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0));
}

void
log_append_time(struct buf *to, int64_t wall_us)
{
    if (wall_us < 0)
        wall_us = 0;
    int64_t second = wall_us / 1000000;
    int year, month, day;
    civil_from_days(second / 86400, &year, &month, &day);
    int of_day = (int)(second % 86400);
    buf_printf(to, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year, month, day, of_day / 3600, of_day / 60 % 60,
               of_day % 60, (int)(wall_us % 1000000));
}

static bool
is_printable(uint8_t c)
{
    return c >= 0x20 && c <= 0x7e;
}

void
log_append_escaped(struct buf *to, struct span value, size_t max, enum log_escape escape_quote)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = value.len < max ? value.len : max;
    for (size_t at = 0; at < len;) {
        size_t run = at;
        while (run < len && is_printable(value.data[run]) && value.data[run] != '\\' && value.data[run] != '"')
            run++;
        buf_append(to, span_of(value.data + at, run - at));
        at = run;
        if (at == len)
            break;
        uint8_t c = value.data[at++];
        if (c == '"') {
            buf_append(to, escape_quote == LOG_ESCAPE_QUOTE ? SPAN("\\\"") : SPAN("\""));
        } else if (c == '\\') {
            buf_append(to, SPAN("\\\\"));
        } else {
            char escape[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
            buf_append(to, span_of(escape, sizeof(escape)));
        }
    }
    if (len < value.len)
        buf_append(to, SPAN("..."));
}
