/* command_line.c - a command divided into words, without any of a shell's other habits. */
#include "deliver/deliver.h"

/* The text and where in it we are, and the word under way. */
struct splitter {
    struct span text;
    size_t at;
    char *word; /* as large as the text that is left */
    size_t len;
};

static bool
is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t';
}

static enum err
quoted_take(struct splitter *s, uint8_t quote)
{
    for (s->at++; s->at < s->text.len; s->at++) {
        uint8_t octet = s->text.data[s->at];
        if (octet == quote) {
            s->at++;
            return ERR_OK;
        }
        if (octet == '\\' && quote == '"' && s->at + 1 < s->text.len &&
            (s->text.data[s->at + 1] == '"' || s->text.data[s->at + 1] == '\\'))
            octet = s->text.data[++s->at];
        s->word[s->len++] = (char)octet;
    }
    return ERR_SYNTAX;
}

/* One word that begins at s->at. */
static enum err
word_take(struct splitter *s)
{
    while (s->at < s->text.len && !is_blank(s->text.data[s->at])) {
        uint8_t octet = s->text.data[s->at];
        if (octet == '\'' || octet == '"') {
            TRY(quoted_take(s, octet));
            continue;
        }
        if (octet == '\\' && ++s->at == s->text.len)
            return ERR_SYNTAX;
        s->word[s->len++] = (char)s->text.data[s->at++];
    }
    s->word[s->len++] = '\0';
    return ERR_OK;
}

enum err
deliver_command_split(struct span text, struct arena *mem, char *argv[DELIVER_WORDS_MAX + 1], size_t *ret_count)
{
    struct splitter s = {.text = text};
    size_t count = 0;
    if (span_find(text, '\0') < text.len)
        return ERR_SYNTAX;
    for (;;) {
        while (s.at < text.len && is_blank(text.data[s.at]))
            s.at++;
        if (s.at == text.len)
            break;
        if (count == DELIVER_WORDS_MAX || (s.word = arena_alloc(mem, text.len - s.at + 1)) == NULL)
            return ERR_LIMIT;
        s.len = 0;
        TRY(word_take(&s));
        argv[count++] = s.word;
    }
    if (count == 0 || argv[0][0] == '\0')
        return ERR_SYNTAX;
    argv[count] = NULL;
    *ret_count = count;
    return ERR_OK;
}
