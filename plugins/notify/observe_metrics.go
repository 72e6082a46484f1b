package notify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// mostMetrics is how many bytes of a file of ours are read.
const mostMetrics = 1 << 20

// metricsFacts is what there is before metrics are written.
type metricsFacts struct {
	folderProblem string             // why nothing can be written into the folder; "" when nothing is known against it
	exists        bool               // there is a file
	data          []byte             // what is in it
	values        map[string]float64 // and what that says, by the name of the metric; nil when it can't be read
}

// observeMetrics looks at the folder and the file in it.
func observeMetrics(folder, name string) metricsFacts {
	var facts metricsFacts
	dir, err := openFolder(folder)
	if err != nil {
		facts.folderProblem = err.Error()
		return facts
	}
	defer dir.Close()
	return observeFile(dir, name)
}

func openFolder(folder string) (*os.File, error) {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %s for metrics", folder)
	case errors.Is(err, unix.ENOTDIR):
		return nil, fmt.Errorf("%s is no folder, so that metrics can't be written there", folder)
	case err != nil:
		return nil, fmt.Errorf("cannot open the folder %s for metrics: %w", folder, err)
	}
	return os.NewFile(uintptr(fd), folder), nil
}

// observeFile reads a file of ours. What is no regular file, or can't be read, is as if it were not there: it will be replaced.
func observeFile(dir *os.File, name string) metricsFacts {
	var facts metricsFacts
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		facts.exists = !errors.Is(err, fs.ErrNotExist)
		return facts
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	facts.exists = true
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return facts
	}
	data, err := io.ReadAll(io.LimitReader(f, mostMetrics))
	if err != nil {
		return facts
	}
	facts.data = data
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		return facts
	}
	facts.values = map[string]float64{}
	for name, family := range families {
		if all := family.GetMetric(); len(all) == 1 {
			facts.values[name] = all[0].GetGauge().GetValue()
		}
	}
	return facts
}
