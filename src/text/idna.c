/* idna.c - the one call of libidn2, between our spans and its strings. */
#include "text/idna.h"

#include <idn2.h>

enum err
idna_to_ascii(struct span name, struct buf *to)
{
    char utf8[IDNA_INPUT_MAX + 1];
    char *ascii = NULL;
    if (!span_to_cstr(name, utf8, sizeof(utf8)))
        return ERR_SYNTAX;
    int status = idn2_to_ascii_8z(utf8, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (status != IDN2_OK)
        return status == IDN2_MALLOC ? ERR_LIMIT : ERR_SYNTAX;
    enum err e = buf_append_cstr(to, ascii);
    idn2_free(ascii);
    return e;
}
