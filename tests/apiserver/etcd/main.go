// etcd as it is released, for the API server of the tests. Its module is its own, so that its versions do not mix with those
// of Kubernetes.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
