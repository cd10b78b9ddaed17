/* sendmail_site.c - see sendmail_site.h. The defaults are those of config/schema.def. */
#include "cli/sendmail_site.h"

#include "config/config.h"
#include "config/load.h"

static const struct sendmail_site by_default = {
    .socket = "/run/godwit/submit.sock",
    .drop_directory = "/var/spool/godwit-drop",
    .drop = {.messages = 1000, .size_bytes = UINT64_C(500) * 1024 * 1024},
    .message_size_bytes = UINT64_C(10) * 1024 * 1024 * 1024, /* the server knows better */
    .is_by_default = true,
};

static struct config *
read_config(const char *path)
{
    struct config_sources sources;
    struct config_problems problems;
    struct config *config = NULL;
    config_sources_init(&sources);
    config_problems_init(&problems);
    if (config_load(path, &sources) != ERR_OK || config_parse(&sources, &problems, &config) != ERR_OK)
        config = NULL;
    config_problems_done(&problems);
    config_sources_done(&sources);
    return config;
}

void
sendmail_site_find(const char *config_path, struct sendmail_site *ret)
{
    struct sendmail_site site = {.is_by_default = false};
    struct config *config = read_config(config_path);
    *ret = by_default;
    if (config == NULL)
        return;
    const struct config_sendmail *sendmail = &config->sendmail;
    bool is_good = span_to_cstr(sendmail->socket.value, site.socket, sizeof(site.socket)) &&
                   span_to_cstr(sendmail->drop_directory.value, site.drop_directory, sizeof(site.drop_directory));
    site.drop.messages = sendmail->drop_messages.value; /* the schema's ceiling is DROP_SLOTS_MAX */
    site.drop.size_bytes = sendmail->drop_size_bytes.value;
    site.message_size_bytes = config->limits.message_size_bytes.value;
    config_free(config);
    if (is_good)
        *ret = site;
}
