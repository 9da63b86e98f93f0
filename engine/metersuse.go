package engine

import "tailrace/internal/meter"

// What is measured of use: by project, and of the disk.
var (
	projectBytes = meter.Gauge("tailrace_project_stored_bytes",
		"appends that a project keeps, as its quota counts", ofProjects)
	projectBytesMax = meter.Gauge("tailrace_project_stored_max_bytes",
		"the limit of tailrace_project_stored_bytes; there for projects that have one", ofProjects)
	projectStreams = meter.Gauge("tailrace_project_streams",
		"streams of a project, those that only forks keep included", ofProjects)
	projectStreamsMax = meter.Gauge("tailrace_project_streams_max",
		"the limit of tailrace_project_streams; there for projects that have one", ofProjects)

	storedBytes    = meter.Gauge("tailrace_stored_bytes", "appends that are kept, of all projects together, as quotas count")
	storedBytesMax = meter.Gauge("tailrace_stored_max_bytes", "the limit of tailrace_stored_bytes, 0 if there is none")
	diskFreeBytes  = meter.Gauge("tailrace_disk_free_bytes", "of the file system that the store is on, when it was looked at last")
	diskFreeLow    = meter.Gauge("tailrace_disk_free_low_bytes", "when less is free, what grows is refused")
	diskLow        = meter.Gauge("tailrace_disk_low", "1 while what grows is refused because the disk is nearly full")
)

// ofProjects: there are those that have limits set, none at all among them. Others
// are names that clients chose while the store served anybody, as many as they liked.
var ofProjects = meter.EachOf("project", "project")

// namedProjects is the use of the projects that there are series for.
func (e *Engine) namedProjects() []ProjectUse {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []ProjectUse
	for name, named := range e.accounts.named {
		if own := e.accounts.byName[name]; named && own != nil {
			all = append(all, ProjectUse{name, own.use()})
		}
	}
	return all
}

func (e *Engine) readUse(r *meter.Reading) {
	for _, p := range e.namedProjects() {
		r.Gauge(projectBytes, float64(p.StoredBytes), p.Project)
		r.Gauge(projectStreams, float64(p.Streams), p.Project)
		if p.Limits.StoredBytes > 0 {
			r.Gauge(projectBytesMax, float64(p.Limits.StoredBytes), p.Project)
		}
		if p.Limits.Streams > 0 {
			r.Gauge(projectStreamsMax, float64(p.Limits.Streams), p.Project)
		}
	}
	e.mu.Lock()
	stored, most, disk := e.accounts.stored, e.opts.StoredBytesMax, e.disk
	e.mu.Unlock()
	r.Gauge(storedBytes, float64(stored))
	r.Gauge(storedBytesMax, float64(most))
	r.Gauge(diskFreeLow, float64(max(0, e.opts.DiskFreeLow)))
	r.Gauge(diskLow, one(disk.low))
	if disk.free >= 0 {
		r.Gauge(diskFreeBytes, float64(disk.free))
	}
}
