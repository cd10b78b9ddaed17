/* disk_sim_content.c - see the header: pages, sectors and what a crash makes of them. */
#include "rt/disk_sim_content.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { SECTORS = SIM_BLOCK / SIM_SECTOR, ALL_SECTORS = 0xff };

struct sim_page {
    uint32_t refs;
    uint8_t data[SIM_BLOCK];
};

static struct sim_page *
page_new(const struct sim_page *copied /* NULL: zeros */)
{
    struct sim_page *p = malloc(sizeof *p);
    ASSERT(p != NULL);
    p->refs = 1;
    if (copied != NULL)
        memcpy(p->data, copied->data, SIM_BLOCK);
    else
        memset(p->data, 0, SIM_BLOCK);
    return p;
}

static struct sim_page *
page_ref(struct sim_page *p)
{
    if (p != NULL)
        p->refs++;
    return p;
}

static void
page_unref(struct sim_page *p)
{
    if (p != NULL && --p->refs == 0)
        free(p);
}

/* Make *p a page nobody else sees, so that it may be written. */
static uint8_t *
page_own(struct sim_page **p)
{
    if (*p == NULL || (*p)->refs > 1) {
        struct sim_page *copy = page_new(*p);
        page_unref(*p);
        *p = copy;
    }
    return (*p)->data;
}

static void
page_set(struct sim_page **p, struct sim_page *to)
{
    struct sim_page *old = *p;
    *p = page_ref(to);
    page_unref(old);
}

/* Bring the sectors of `mask` from one page to the other. */
static void
page_copy_sectors(struct sim_page **to, const struct sim_page *from, unsigned mask)
{
    if (mask == 0)
        return;
    uint8_t *dst = page_own(to);
    for (unsigned i = 0; i < SECTORS; i++) {
        if ((mask & (1u << i)) == 0)
            continue;
        if (from != NULL)
            memcpy(dst + i * SIM_SECTOR, from->data + i * SIM_SECTOR, SIM_SECTOR);
        else
            memset(dst + i * SIM_SECTOR, 0, SIM_SECTOR);
    }
}

static bool
is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* The sectors of a block that bytes [from, to) of it touch, to > from. */
static unsigned
sector_mask(size_t from, size_t to)
{
    size_t first = from / SIM_SECTOR, last = (to - 1) / SIM_SECTOR;
    return (unsigned)((2u << last) - (1u << first));
}

void
sim_content_init(struct sim_content *c)
{
    *c = (struct sim_content){0};
}

void
sim_content_done(struct sim_content *c)
{
    for (size_t i = 0; i < c->chunk_count; i++) {
        struct sim_slot *slots = c->chunks[i].slots;
        for (size_t j = 0; slots != NULL && j < SIM_CHUNK_BLOCKS; j++) {
            page_unref(slots[j].view);
            page_unref(slots[j].disk);
        }
        free(slots);
    }
    free(c->chunks);
    free(c->changed);
    sim_content_init(c);
}

static void *
copy_of(const void *from, size_t size)
{
    if (from == NULL || size == 0)
        return NULL;
    void *copy = malloc(size);
    ASSERT(copy != NULL);
    return memcpy(copy, from, size);
}

void
sim_content_clone(const struct sim_content *from, struct sim_content *to)
{
    *to = *from;
    to->chunks = copy_of(from->chunks, from->chunk_count * sizeof *from->chunks);
    to->changed = copy_of(from->changed, from->changed_count * sizeof *from->changed);
    to->changed_cap = from->changed_count;
    for (size_t i = 0; i < to->chunk_count; i++) {
        struct sim_slot *slots = to->chunks[i].slots = copy_of(from->chunks[i].slots, SIM_CHUNK_BLOCKS * sizeof *slots);
        for (size_t j = 0; slots != NULL && j < SIM_CHUNK_BLOCKS; j++) {
            (void)page_ref(slots[j].view);
            (void)page_ref(slots[j].disk);
        }
    }
}

static struct sim_chunk *
chunk_of(struct sim_content *c, uint64_t block)
{
    size_t i = (size_t)(block / SIM_CHUNK_BLOCKS);
    if (i >= c->chunk_count) {
        size_t count = i + 1 > 2 * c->chunk_count ? i + 1 : 2 * c->chunk_count;
        c->chunks = realloc(c->chunks, count * sizeof *c->chunks);
        ASSERT(c->chunks != NULL);
        memset(c->chunks + c->chunk_count, 0, (count - c->chunk_count) * sizeof *c->chunks);
        c->chunk_count = count;
    }
    return &c->chunks[i];
}

static struct sim_slot *
slot_find(const struct sim_content *c, uint64_t block)
{
    size_t i = (size_t)(block / SIM_CHUNK_BLOCKS);
    if (i >= c->chunk_count || c->chunks[i].slots == NULL)
        return NULL;
    return &c->chunks[i].slots[block % SIM_CHUNK_BLOCKS];
}

static struct sim_slot *
slot_make(struct sim_content *c, uint64_t block)
{
    struct sim_chunk *chunk = chunk_of(c, block);
    if (chunk->slots == NULL) {
        chunk->slots = calloc(SIM_CHUNK_BLOCKS, sizeof *chunk->slots);
        ASSERT(chunk->slots != NULL);
    }
    return &chunk->slots[block % SIM_CHUNK_BLOCKS];
}

static bool
is_allocated(const struct sim_content *c, uint64_t block)
{
    size_t i = (size_t)(block / SIM_CHUNK_BLOCKS);
    return i < c->chunk_count && (c->chunks[i].allocated >> (block % SIM_CHUNK_BLOCKS) & 1) != 0;
}

static void
block_allocate(struct sim_content *c, uint64_t block)
{
    if (is_allocated(c, block))
        return;
    chunk_of(c, block)->allocated |= UINT64_C(1) << (block % SIM_CHUNK_BLOCKS);
    c->block_count++;
}

/* Take back the space of all blocks from `block` on. */
static void
blocks_release(struct sim_content *c, uint64_t block)
{
    for (size_t i = (size_t)(block / SIM_CHUNK_BLOCKS); i < c->chunk_count; i++) {
        uint64_t first = (uint64_t)i * SIM_CHUNK_BLOCKS;
        uint64_t kept = block > first ? (UINT64_C(1) << (block - first)) - 1 : 0;
        c->block_count -= (uint64_t)__builtin_popcountll(c->chunks[i].allocated & ~kept);
        c->chunks[i].allocated &= kept;
    }
}

uint64_t
sim_content_missing(const struct sim_content *c, uint64_t offset, uint64_t len)
{
    uint64_t missing = 0;
    if (len == 0)
        return 0;
    for (uint64_t b = offset / SIM_BLOCK; b <= (offset + len - 1) / SIM_BLOCK; b++)
        missing += !is_allocated(c, b);
    return missing;
}

static void
slot_list(struct sim_content *c, uint64_t block, struct sim_slot *slot)
{
    if (slot->is_listed)
        return;
    if (c->changed_count == c->changed_cap) {
        c->changed_cap = c->changed_cap == 0 ? 16 : 2 * c->changed_cap;
        c->changed = realloc(c->changed, c->changed_cap * sizeof *c->changed);
        ASSERT(c->changed != NULL);
    }
    c->changed[c->changed_count++] = (uint32_t)block;
    slot->is_listed = true;
}

/*
 * The sectors of `mask` are about to change in the cache: their older unsynced content may have reached the disk
 * before.
 */
static void
slot_touch(struct sim_content *c, uint64_t block, struct sim_slot *slot, unsigned mask, struct sim_random *chance)
{
    if ((slot->dirty & mask) != 0) {
        uint64_t r = sim_random_next(chance);
        page_copy_sectors(&slot->disk, slot->view, slot->dirty & mask & (unsigned)(r & (r >> 8)));
    }
    slot->dirty = (uint8_t)(slot->dirty | mask);
    slot->lost = (uint8_t)(slot->lost & ~mask);
    slot_list(c, block, slot);
}

static void
size_set(struct sim_content *c, uint64_t size, struct sim_random *chance)
{
    if (c->size == size)
        return;
    if (c->size != c->durable_size && sim_random_chance(chance, 1, 4))
        c->durable_size = c->size;
    c->size = size;
}

void
sim_content_allocate(struct sim_content *c, uint64_t offset, uint64_t len, struct sim_random *chance)
{
    if (len == 0)
        return;
    for (uint64_t b = offset / SIM_BLOCK; b <= (offset + len - 1) / SIM_BLOCK; b++)
        block_allocate(c, b);
    if (offset + len > c->size)
        size_set(c, offset + len, chance);
}

void
sim_content_write(struct sim_content *c, uint64_t offset, struct span data, struct sim_random *chance)
{
    if (data.len == 0)
        return;
    uint64_t end = offset + data.len;
    while (data.len > 0) {
        uint64_t block = offset / SIM_BLOCK;
        size_t at = (size_t)(offset % SIM_BLOCK);
        size_t n = SIM_BLOCK - at < data.len ? SIM_BLOCK - at : data.len;
        struct sim_slot *slot = slot_find(c, block);
        block_allocate(c, block);
        bool stays_zero = (slot == NULL || (slot->view == NULL && slot->disk == NULL)) && is_zero(data.data, n);
        if (!stays_zero) {
            slot = slot_make(c, block);
            slot_touch(c, block, slot, sector_mask(at, at + n), chance);
            memcpy(page_own(&slot->view) + at, data.data, n);
        }
        offset += n;
        data = span_skip(data, n);
    }
    if (end > c->size)
        size_set(c, end, chance);
}

void
sim_content_truncate(struct sim_content *c, uint64_t size, struct sim_random *chance)
{
    uint64_t first = size / SIM_BLOCK, last = c->size == 0 ? 0 : (c->size - 1) / SIM_BLOCK;
    for (uint64_t b = first; size < c->size && b <= last; b++) {
        struct sim_slot *slot = slot_find(c, b);
        size_t at = b == first ? (size_t)(size % SIM_BLOCK) : 0;
        if (slot == NULL || (slot->view == NULL && slot->disk == NULL))
            continue;
        slot_touch(c, b, slot, sector_mask(at, SIM_BLOCK), chance);
        if (at == 0)
            page_set(&slot->view, NULL);
        else
            memset(page_own(&slot->view) + at, 0, SIM_BLOCK - at);
    }
    if (size < c->size)
        blocks_release(c, (size + SIM_BLOCK - 1) / SIM_BLOCK);
    size_set(c, size, chance);
}

/* One block's bytes [at, at + n) as a reader sees them. */
static void
slot_read(const struct sim_slot *slot, size_t at, uint8_t *dst, size_t n, bool past_cache)
{
    if (slot == NULL || slot->view == NULL)
        memset(dst, 0, n);
    else
        memcpy(dst, slot->view->data + at, n);
    if (slot == NULL || !past_cache || slot->lost == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        if ((slot->lost >> ((at + i) / SIM_SECTOR) & 1) != 0)
            dst[i] = slot->disk == NULL ? 0 : slot->disk->data[at + i];
    }
}

size_t
sim_content_read(const struct sim_content *c, uint64_t offset, void *dst, size_t len, bool past_cache)
{
    if (offset >= c->size)
        return 0;
    if (len > c->size - offset)
        len = (size_t)(c->size - offset);
    for (size_t done = 0; done < len;) {
        size_t at = (size_t)((offset + done) % SIM_BLOCK);
        size_t n = SIM_BLOCK - at < len - done ? SIM_BLOCK - at : len - done;
        slot_read(slot_find(c, (offset + done) / SIM_BLOCK), at, (uint8_t *)dst + done, n, past_cache);
        done += n;
    }
    return len;
}

/* Write the dirty sectors of `mask`; what stays different from now on is lost or still dirty. */
static void
slot_flush(struct sim_slot *slot, unsigned mask)
{
    unsigned flushed = slot->dirty & mask;
    slot->dirty = (uint8_t)(slot->dirty & ~flushed);
    if (slot->dirty == 0 && slot->lost == 0)
        page_set(&slot->disk, slot->view);
    else
        page_copy_sectors(&slot->disk, slot->view, flushed);
}

/* Keep only those blocks in the list that differ still. */
static void
changed_prune(struct sim_content *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        slot->is_listed = slot->dirty != 0 || slot->lost != 0;
        if (slot->is_listed)
            c->changed[kept++] = c->changed[i];
    }
    c->changed_count = kept;
}

uint64_t
sim_content_sync(struct sim_content *c)
{
    uint64_t sectors = 0;
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        sectors += (uint64_t)__builtin_popcount(slot->dirty);
        slot_flush(slot, ALL_SECTORS);
    }
    changed_prune(c);
    c->durable_size = c->size;
    return sectors * SIM_SECTOR;
}

void
sim_content_sync_failing(struct sim_content *c, struct sim_random *chance)
{
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        unsigned survives = (unsigned)sim_random_next(chance) & ALL_SECTORS;
        slot->lost = (uint8_t)(slot->lost | (slot->dirty & ~survives));
        unsigned flushed = slot->dirty & survives;
        slot->dirty = (uint8_t)flushed;
        slot_flush(slot, ALL_SECTORS);
    }
    changed_prune(c);
}

void
sim_content_start_sync(struct sim_content *c, struct sim_random *chance)
{
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        page_copy_sectors(&slot->disk, slot->view, slot->dirty & (unsigned)sim_random_next(chance));
    }
}

void
sim_content_drop_lost(struct sim_content *c)
{
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        page_copy_sectors(&slot->view, slot->disk, slot->lost);
        slot->lost = 0;
    }
    changed_prune(c);
}

/* The size a crash leaves: the old one, the new one or, when it grew, a sector's end between them. */
static uint64_t
size_after_crash(const struct sim_content *c, struct sim_random *chance, const struct sim_odds *odds)
{
    if (c->size == c->durable_size || !sim_random_chance(chance, odds->data, 256))
        return c->durable_size;
    if (c->size > c->durable_size && odds->data < 256 && sim_random_chance(chance, 1, 2)) {
        uint64_t sectors = (c->size - c->durable_size) / SIM_SECTOR;
        uint64_t size = (c->durable_size / SIM_SECTOR + sim_random_below(chance, sectors + 1)) * SIM_SECTOR;
        return size > c->durable_size ? size : c->durable_size;
    }
    return c->size;
}

/* Zero what the disk has from `size` to `end`: bytes past the end of a file read as zeros when it grows again. */
static void
disk_zero(struct sim_content *c, uint64_t size, uint64_t end)
{
    for (uint64_t b = size / SIM_BLOCK; b * SIM_BLOCK < end; b++) {
        struct sim_slot *slot = slot_find(c, b);
        size_t at = b == size / SIM_BLOCK ? (size_t)(size % SIM_BLOCK) : 0;
        if (slot == NULL || slot->disk == NULL)
            continue;
        if (at == 0)
            page_set(&slot->disk, NULL);
        else
            memset(page_own(&slot->disk) + at, 0, SIM_BLOCK - at);
        slot_list(c, b, slot);
    }
}

void
sim_content_crash(struct sim_content *c, struct sim_random *chance, const struct sim_odds *odds)
{
    uint64_t size = size_after_crash(c, chance, odds);
    uint64_t end = c->size > c->durable_size ? c->size : c->durable_size;
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        unsigned survives = 0;
        for (unsigned s = 0; s < SECTORS; s++) {
            if ((slot->dirty >> s & 1) != 0 && sim_random_chance(chance, odds->data, 256))
                survives |= 1u << s;
        }
        page_copy_sectors(&slot->disk, slot->view, survives);
    }
    disk_zero(c, size, end);
    for (size_t i = 0; i < c->changed_count; i++) {
        struct sim_slot *slot = slot_find(c, c->changed[i]);
        page_set(&slot->view, slot->disk);
        slot->dirty = slot->lost = 0;
        slot->is_listed = false;
        if (slot->view != NULL)
            block_allocate(c, c->changed[i]); /* a truncation that did not survive */
    }
    c->changed_count = 0;
    c->size = c->durable_size = size;
    blocks_release(c, (size + SIM_BLOCK - 1) / SIM_BLOCK);
}

static void
xor_into(uint8_t *p, size_t n, uint8_t mask)
{
    for (size_t i = 0; i < n; i++)
        p[i] ^= mask;
}

void
sim_content_damage(struct sim_content *c, uint64_t offset, uint64_t len, uint8_t mask)
{
    while (len > 0) {
        size_t at = (size_t)(offset % SIM_BLOCK);
        size_t n = SIM_BLOCK - at < len ? SIM_BLOCK - at : (size_t)len;
        struct sim_slot *slot = slot_make(c, offset / SIM_BLOCK);
        bool is_shared = slot->view == slot->disk;
        xor_into(page_own(&slot->view) + at, n, mask);
        if (is_shared)
            page_set(&slot->disk, slot->view);
        else
            xor_into(page_own(&slot->disk) + at, n, mask);
        offset += n;
        len -= n;
    }
}

bool
sim_content_is_dirty(const struct sim_content *c)
{
    if (c->size != c->durable_size)
        return true;
    for (size_t i = 0; i < c->changed_count; i++) {
        if (slot_find(c, c->changed[i])->dirty != 0)
            return true;
    }
    return false;
}
