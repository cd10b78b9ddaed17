/* date.c - days to dates by arithmetic on 400-year eras that begin in March, so that leap days come last. */
#include "text/date.h"

#include "base/assert.h"

static const int64_t DAY_US = INT64_C(86400000000), MINUTE_US = 60000000;
static const int64_t YEAR_0_DAY = -719528, YEAR_9999_LAST_DAY = 2932896; /* days from 1970-01-01 */

enum { ERA_DAYS = 146097, CENTURY_DAYS = 36524, FOUR_YEARS_DAYS = 1460, MARCH_0000_DAY = -719468 };

static void
set_day(struct date *d, int64_t day)
{
    int64_t from_march = day - MARCH_0000_DAY;
    int64_t era = (from_march >= 0 ? from_march : from_march - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t of_era = from_march - era * ERA_DAYS;
    int64_t year = (of_era - of_era / FOUR_YEARS_DAYS + of_era / CENTURY_DAYS - of_era / (ERA_DAYS - 1)) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* from March */
    d->day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1);
    d->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    d->year = (int32_t)(year + era * 400 + (d->month <= 2));
    d->weekday = (uint8_t)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

struct date
date_from_wall(int64_t wall_us, int32_t zone_minutes)
{
    ASSERT(zone_minutes > -24 * 60 && zone_minutes < 24 * 60);
    const int64_t first = YEAR_0_DAY * DAY_US, last = (YEAR_9999_LAST_DAY + 1) * DAY_US - 1;
    const int64_t shift = zone_minutes * MINUTE_US;
    /* Clamped before the shift as well, which so cannot overflow. */
    int64_t us = wall_us < first ? first : wall_us > last ? last : wall_us;
    us += shift;
    us = us < first ? first : us > last ? last : us;
    int64_t day = (us >= 0 ? us : us - (DAY_US - 1)) / DAY_US, of_day = us - day * DAY_US;
    struct date d = {
        .hour = (uint8_t)(of_day / (60 * MINUTE_US)),
        .minute = (uint8_t)(of_day / MINUTE_US % 60),
        .second = (uint8_t)(of_day / 1000000 % 60),
        .microsecond = (uint32_t)(of_day % 1000000),
    };
    set_day(&d, day);
    return d;
}

enum err
date_format_mail(int64_t wall_us, int32_t zone_minutes, struct buf *to)
{
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct date d = date_from_wall(wall_us, zone_minutes);
    int32_t zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;
    return buf_printf(to, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d", weekdays[d.weekday], d.day, months[d.month - 1],
                      d.year, d.hour, d.minute, d.second, zone_minutes < 0 ? '-' : '+', zone / 60, zone % 60);
}

enum err
date_format_log(int64_t wall_us, struct buf *to)
{
    struct date d = date_from_wall(wall_us, 0);
    return buf_printf(to, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", d.year, d.month, d.day, d.hour, d.minute, d.second,
                      d.microsecond);
}
