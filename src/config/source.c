/*
 * source.c - the list of sources, and its form as bytes.
 *
 * Packed: "GWCF", version, count, then for each source its includer, line and column and its name, text and fault with
 * their lengths; numbers are 32 bits, little-endian. What cannot be a list that config_load() made is refused.
 */
#include "config/source.h"

enum {
    SOURCES_MEMORY_MAX = CONFIG_SOURCES_BYTES_MAX + 4 * 1024 * 1024,
    SOURCES_FIRST_ROOM = 8,
    PACK_VERSION = 1,
};

#define PACK_MAGIC SPAN("GWCF")

void
config_sources_init(struct config_sources *s)
{
    *s = (struct config_sources){0};
    arena_init(&s->memory, SOURCES_MEMORY_MAX);
}

void
config_sources_done(struct config_sources *s)
{
    arena_clear(&s->memory);
    s->items = NULL;
    s->count = s->room = 0;
}

/* Room for one more item. */
static enum err
items_grow(struct config_sources *s)
{
    if (s->count < s->room)
        return ERR_OK;
    size_t room = s->room == 0 ? SOURCES_FIRST_ROOM : s->room * 2;
    struct config_source *items = arena_alloc(&s->memory, room * sizeof(*items));
    if (items == NULL)
        return ERR_LIMIT;
    if (s->count > 0)
        memcpy(items, s->items, s->count * sizeof(*items));
    s->items = items;
    s->room = room;
    return ERR_OK;
}

static size_t
text_bytes(const struct config_sources *s)
{
    size_t total = 0;
    for (size_t i = 0; i < s->count; i++)
        total += s->items[i].text.len;
    return total;
}

enum err
config_sources_add(struct config_sources *s, const struct config_source *source)
{
    if (s->count == CONFIG_SOURCES_MAX || source->text.len > CONFIG_SOURCE_BYTES_MAX ||
        source->text.len > CONFIG_SOURCES_BYTES_MAX - text_bytes(s))
        return ERR_LIMIT;
    TRY(items_grow(s));
    struct config_source copy = *source;
    if (!arena_copy(&s->memory, source->name, &copy.name) || !arena_copy(&s->memory, source->text, &copy.text) ||
        !arena_copy(&s->memory, source->fault, &copy.fault))
        return ERR_LIMIT;
    s->items[s->count++] = copy;
    return ERR_OK;
}

enum err
config_sources_from_text(struct config_sources *s, struct span name, struct span text)
{
    return config_sources_add(s, &(struct config_source){.name = name, .text = text});
}

/* --- as bytes ----------------------------------------------------------------------------------------------------- */

static void
put_u32(struct buf *to, size_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    (void)buf_append(to, span_of(bytes, sizeof(bytes)));
}

static void
put_text(struct buf *to, struct span text)
{
    put_u32(to, text.len);
    (void)buf_append(to, text);
}

enum err
config_sources_pack(const struct config_sources *s, struct buf *to)
{
    (void)buf_append(to, PACK_MAGIC);
    put_u32(to, PACK_VERSION);
    put_u32(to, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct config_source *source = &s->items[i];
        put_u32(to, source->includer);
        put_u32(to, source->include_line);
        put_u32(to, source->include_column);
        put_text(to, source->name);
        put_text(to, source->text);
        put_text(to, source->fault);
    }
    return buf_check(to);
}

static bool
take_u32(struct span *rest, uint32_t *ret)
{
    if (rest->len < 4)
        return false;
    const uint8_t *b = rest->data;
    *ret = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    *rest = span_skip(*rest, 4);
    return true;
}

static bool
take_text(struct span *rest, struct span *ret)
{
    uint32_t len;
    if (!take_u32(rest, &len) || len > rest->len)
        return false;
    *ret = span_first(*rest, len);
    *rest = span_skip(*rest, len);
    return true;
}

static bool
take_source(struct span *rest, size_t index, struct config_source *ret)
{
    if (!take_u32(rest, &ret->includer) || !take_u32(rest, &ret->include_line) ||
        !take_u32(rest, &ret->include_column) || !take_text(rest, &ret->name) || !take_text(rest, &ret->text) ||
        !take_text(rest, &ret->fault))
        return false;
    return index == 0 ? ret->includer == 0 && ret->include_line == 0 : ret->includer < index && ret->include_line > 0;
}

static enum err
sources_take(struct span bytes, struct config_sources *s)
{
    uint32_t version, count;
    if (!span_has_prefix(bytes, PACK_MAGIC))
        return ERR_DAMAGED;
    bytes = span_skip(bytes, PACK_MAGIC.len);
    if (!take_u32(&bytes, &version) || version != PACK_VERSION || !take_u32(&bytes, &count))
        return ERR_DAMAGED;
    for (uint32_t i = 0; i < count; i++) {
        struct config_source source;
        if (!take_source(&bytes, i, &source))
            return ERR_DAMAGED;
        TRY(config_sources_add(s, &source));
    }
    return bytes.len == 0 && count > 0 ? ERR_OK : ERR_DAMAGED;
}

enum err
config_sources_unpack(struct span bytes, struct config_sources *s)
{
    enum err e = sources_take(bytes, s);
    if (e != ERR_OK)
        config_sources_done(s);
    return e;
}
