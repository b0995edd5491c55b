// Sends one request over and over on a number of connections, and prints what came of it as JSON.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"
)

func main() {
	url := flag.String("url", "", "where to")
	ca := flag.String("ca", "", "authority's certificate")
	file := flag.String("body", "", "file with the body")
	connections := flag.Int("connections", 1, "at once")
	requests := flag.Int("requests", 1000, "in all")
	flag.Parse()
	pem, err := os.ReadFile(*ca)
	must(err)
	body, err := os.ReadFile(*file)
	must(err)
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(pem)
	work := make(chan struct{}, *requests)
	for range *requests {
		work <- struct{}{}
	}
	close(work)
	var lock sync.Mutex
	var times []float64
	failed := 0
	var group sync.WaitGroup
	started := time.Now()
	for range *connections {
		group.Add(1)
		go func() {
			defer group.Done()
			client := &http.Client{Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: trust}, MaxIdleConnsPerHost: 1,
			}}
			var own []float64
			bad := 0
			for range work {
				begun := time.Now()
				answer, err := client.Post(*url, "application/json", bytes.NewReader(body))
				if err != nil {
					bad++
					continue
				}
				if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 {
					bad++
				}
				answer.Body.Close()
				own = append(own, time.Since(begun).Seconds())
			}
			lock.Lock()
			times = append(times, own...)
			failed += bad
			lock.Unlock()
		}()
	}
	group.Wait()
	seconds := time.Since(started).Seconds()
	sort.Float64s(times)
	at := func(share float64) float64 {
		if len(times) == 0 {
			return 0
		}
		return times[min(len(times)-1, int(share*float64(len(times))))]
	}
	said, err := json.Marshal(map[string]any{
		"seconds": seconds, "answered": len(times), "failed": failed, "p50": at(0.5), "p99": at(0.99),
	})
	must(err)
	fmt.Println(string(said))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
