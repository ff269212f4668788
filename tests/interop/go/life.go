// life HOSTS: the life of a znode, as go-zookeeper sees it.
package main

import (
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/samuel/go-zookeeper/zk"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	connection, _, err := zk.Connect(strings.Split(os.Args[1], ","), 10*time.Second)
	must(err)
	defer connection.Close()
	open := zk.WorldACL(zk.PermAll)

	path, err := connection.Create("/life", []byte("hello"), 0, open)
	must(err)
	fmt.Println("created", path)
	data, _, changed, err := connection.GetW("/life")
	must(err)
	fmt.Println("data", string(data))
	stat, err := connection.Set("/life", []byte("goodbye"), 0)
	must(err)
	fmt.Println("version", stat.Version)
	event := <-changed
	fmt.Println("watch", map[zk.EventType]string{zk.EventNodeDataChanged: "NODE_DATA_CHANGED"}[event.Type], event.Path)
	results, err := connection.Multi(
		&zk.CreateRequest{Path: "/life/a", Data: []byte("1"), Acl: open},
		&zk.CreateRequest{Path: "/life/b", Data: []byte("2"), Acl: open},
		&zk.CheckVersionRequest{Path: "/life", Version: 1},
	)
	must(err)
	fmt.Println("multi", len(results))
	children, _, err := connection.Children("/life")
	must(err)
	sort.Strings(children)
	fmt.Println("children", strings.Join(children, ","))
	sequential, err := connection.Create("/life/s-", nil, zk.FlagEphemeral|zk.FlagSequence, open)
	must(err)
	fmt.Println("sequential", sequential)
	if _, err = connection.Create("/missing/child", nil, 0, open); err == zk.ErrNoNode {
		fmt.Println("refused", -101)
	}
}
