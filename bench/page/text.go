package main

const intro = `# Benchmarks

` + "`make bench`" + ` measures all of this in one run, on one machine, and writes this page; the rounds behind every
figure stand in [benchmarks/](benchmarks/). How to run one part alone is in [bench/README.md](../bench/README.md).
`

const quickText = `
**Some of this comes from a short run**, which is for whoever is changing something: smaller data, fewer rounds, a machine
that may be busy with other work. The table of machines says which. Trust no figure of it far.
`

const peersText = `How many times as fast Vitrine is, or how many times as much it carries, as what stands beside it in the same run. A proxy
passes bytes on, and neither decides nor records nor keeps: below 1 is the price of that.
`

const limitText = `A limit is no product, but what the machine could do at best if nothing were decided, recorded or sealed: how many times
as long Vitrine takes, or which share of it Vitrine reaches.
`

const budgetsText = `What each figure is held to. One that is missed stays in this list until it is met.
`

const methodText = `
- The contestants of a table take turns within one run; each round begins with another one. A figure is the median of the
  rounds; one more round before them is thrown away.
- Everything runs on one machine, load and mock included, so requests a second are those of a machine that is shared. What
  is measured for processor time is a process of its own, and the kernel counts it.
- The program is built as it is shipped and set up with its own verbs. Nothing in it knows that it is measured.
- The load generator keeps its connections alive, asks again as soon as it has the whole answer, and compares the length
  of each answer with what was promised.
- "A durable commit" is one row of 800 bytes into an empty table of the same kind of database, with the same settings, in
  the same run, on the same disk.
`

const enginesText = `The same policy and the same questions for each engine, in one process. All engines answer every question before the
clock runs, and the run ends if one answers differently. Each peer has the encoding in which it was found fastest, and
its requests are made beforehand.

- **bare loop over flat masks**: what each user may do in each project, flattened into bits, found by strings. It knows no
  reasons, expiry, conditions, keys, sessions or denies.
- **vitrine**: strings in; allow or deny out, with the reason, the binding and the nearest miss.
- **cedar-go**: one policy; grants are tags of the projects, memberships its hierarchy.
- **Casbin**: roles with domains; asked about the project. The cached row has asked every question before.
- **OPA**: a prepared query over parsed data that it looks up; parsed input.
- **OpenFGA**: embedded, over its store in memory, which reads all tuples for each look-up; asked about the project.
`

const gatewayText = `A mock of an image service answers at once with one picture. The same request takes four ways to it. Vitrine
authenticates the key, decides, reserves budget, classifies, seals, stores and records each picture before it answers; the
others pass bytes on.
`

const logText = `An entry is appended when it is durable; neighbours that wait at the same time share one commit. An export is verified
offline by the program; a proof is made from the tiles as they are stored.
`

const imagesText = `Opening decides, records the opening durably, unseals and sends. A page of a list holds exactly what its caller may see,
and is recorded too.
`

const notMeasured = `
## What is not measured

- Networks: everything is on loopback. Several nodes on one PostgreSQL, and buckets over S3.
- Providers: the mock takes no time. A real picture takes seconds, beside which all of the above vanishes.
- Pixels: masking, thumbnails and the detection of text or faces are not part of these figures.
- Conditions, and constraints that ask for a second factor: the peers' languages differ too much to compare.
- Peers as servers. Embedded is the fastest way in which each can be used.
- Peers with a database. OpenFGA over one would not read all tuples, and would wait for the database instead.
- Days: what a database does after a month of load is not what it does in the first minutes.
`
