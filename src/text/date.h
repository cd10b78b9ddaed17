/*
 * date.h - dates as mail and logs write them, from a clock reading given as a number.
 *
 * Pure: no time zone data, no clock. The proleptic Gregorian calendar, years 0 to 9999.
 */
#ifndef GODWIT_TEXT_DATE_H
#define GODWIT_TEXT_DATE_H

#include "base/buf.h"
#include "base/span.h"

struct date {
    int32_t year;
    uint8_t month;       /* 1 to 12 */
    uint8_t day;         /* 1 to 31 */
    uint8_t hour;
    uint8_t minute;
    uint8_t second;
    uint8_t weekday;     /* 0 is Sunday */
    uint32_t microsecond;
};

/* The date at `wall_us` (microseconds since 1970-01-01 UTC),
    seen `zone_minutes` east of it; clamped to years 0-9999. */
struct date date_from_wall(int64_t wall_us, int32_t zone_minutes);

/* Append "Mon, 2 Nov 2026 09:05:00 +0100", RFC 5322 §3.3. `zone_minutes` within one day either way. */
NODISCARD enum err date_format_mail(int64_t wall_us, int32_t zone_minutes, struct buf *to);

/* Append "2026-11-02T08:05:00.123456Z", RFC 3339, in UTC. */
NODISCARD enum err date_format_log(int64_t wall_us, struct buf *to);

#endif
