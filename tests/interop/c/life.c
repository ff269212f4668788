/* life HOSTS: the life of a znode, as the C client sees it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static int connected, changed;
static char changed_path[64];

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context) {
    (void)handle; (void)context;
    pthread_mutex_lock(&lock);
    if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE) connected = 1;
    if (type == ZOO_CHANGED_EVENT) {
        changed = 1;
        snprintf(changed_path, sizeof changed_path, "%s", path);
    }
    pthread_cond_broadcast(&news);
    pthread_mutex_unlock(&lock);
}

static void await(int *flag) {
    pthread_mutex_lock(&lock);
    while (!*flag) pthread_cond_wait(&news, &lock);
    pthread_mutex_unlock(&lock);
}

static void must(int code) {
    if (code != ZOK) {
        fprintf(stderr, "%s\n", zerror(code));
        exit(1);
    }
}

int main(int count, char **words) {
    if (count < 2) return 2;
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *zk = zookeeper_init(words[1], on_event, 10000, 0, 0, 0);
    if (!zk) return 1;
    await(&connected);

    char text[256];
    must(zoo_create(zk, "/life", "hello", 5, &ZOO_OPEN_ACL_UNSAFE, 0, text, sizeof text));
    printf("created %s\n", text);
    int size = sizeof text;
    struct Stat stat;
    must(zoo_wget(zk, "/life", on_event, 0, text, &size, &stat));
    printf("data %.*s\n", size, text);
    must(zoo_set2(zk, "/life", "goodbye", 7, 0, &stat));
    printf("version %d\n", stat.version);
    await(&changed);
    printf("watch NODE_DATA_CHANGED %s\n", changed_path);

    zoo_op_t ops[3];
    zoo_op_result_t results[3];
    zoo_create_op_init(&ops[0], "/life/a", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, text, sizeof text);
    zoo_create_op_init(&ops[1], "/life/b", "2", 1, &ZOO_OPEN_ACL_UNSAFE, 0, text, sizeof text);
    zoo_check_op_init(&ops[2], "/life", 1);
    must(zoo_multi(zk, 3, ops, results));
    printf("multi 3\n");
    struct String_vector children;
    must(zoo_get_children(zk, "/life", 0, &children));
    int swap = children.count == 2 && strcmp(children.data[0], children.data[1]) > 0;
    if (children.count == 2) printf("children %s,%s\n", children.data[swap], children.data[!swap]);
    must(zoo_create(zk, "/life/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL | ZOO_SEQUENCE, text, sizeof text));
    printf("sequential %s\n", text);
    printf("refused %d\n", zoo_create(zk, "/missing/child", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, text, sizeof text));
    zookeeper_close(zk);
    return 0;
}
