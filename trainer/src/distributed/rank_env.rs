//! Which of how many ranks this process is, read from what torchrun, Slurm or a person put into the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// PyTorch's port where none is said.
const DEFAULT_PORT: u16 = 29500;

/// This process among the ranks of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankEnv {
    /// Which one, from 0.
    pub rank: usize,
    /// How many there are.
    pub world_size: usize,
    /// Which one on this machine, from 0.
    pub local_rank: usize,
    /// How many there are on this machine, as far as the environment tells; at least `local_rank + 1`.
    pub local_world_size: usize,
    /// The machine where the ranks meet: rank 0's, or that of torchrun's store.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether torchrun's agent holds the store at `host`, rather than rank 0.
    pub agent_store: bool,
    /// How often the ranks were started again on the same store.
    pub restart: u64,
}

impl RankEnv {
    /// A process without other ranks.
    pub fn alone() -> RankEnv {
        RankEnv {
            rank: 0,
            world_size: 1,
            local_rank: 0,
            local_world_size: 1,
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_PORT,
            agent_store: false,
            restart: 0,
        }
    }

    /// This process.
    ///
    /// # Errors
    /// [`Error::Settings`] naming the variables that contradict one another.
    pub fn from_env() -> Result<RankEnv, Error> {
        RankEnv::from_variables(|name| std::env::var(name).ok())
    }

    /// What a set of environment variables describes:
    ///
    /// 1. `RANK` and `WORLD_SIZE`, with torchrun's `LOCAL_RANK`, `LOCAL_WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`,
    ///    `TORCHELASTIC_USE_AGENT_STORE` and `TORCHELASTIC_RESTART_COUNT`;
    /// 2. `SLURM_PROCID` in a step that `srun` has started. A shell of `salloc` or a batch script without `srun` has
    ///    Slurm's variables too, but no other ranks;
    /// 3. or else alone.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<RankEnv, Error> {
        let variables = Variables(lookup);
        match (variables.get("RANK"), variables.get("WORLD_SIZE")) {
            (Some(_), Some(_)) => from_torchrun(&variables),
            (Some(_), None) => {
                Err(Error::settings("RANK is set, but not WORLD_SIZE: how many ranks are there?"))
            }
            (None, Some(_)) => {
                Err(Error::settings("WORLD_SIZE is set, but not RANK: which of them is this?"))
            }
            (None, None) if variables.in_slurm_step() => from_slurm(&variables),
            (None, None) => Ok(RankEnv::alone()),
        }
    }

    /// Which of the `devices` GPUs that this process sees is its own. Where each rank sees one alone
    /// (`--gpus-per-task`), it is that one.
    pub fn gpu(&self, devices: usize) -> Result<usize, Error> {
        match devices {
            1 => Ok(0),
            // One GPU per rank, in the order of CUDA_VISIBLE_DEVICES.
            _ if self.local_rank < devices => Ok(self.local_rank),
            _ => Err(Error::settings(format!(
                "rank {} is number {} on its machine, which shows it {devices} GPUs: start as many ranks a machine \
                 as it has GPUs",
                self.rank, self.local_rank
            ))),
        }
    }

    /// Whether all ranks are on this machine.
    pub fn on_one_machine(&self) -> bool {
        self.local_world_size == self.world_size
    }

    /// Refuses what cannot be; `names` are the variables it came from.
    fn checked(self, names: &str) -> Result<RankEnv, Error> {
        let RankEnv { rank, world_size, local_rank, local_world_size, .. } = self;
        if rank >= world_size {
            return Err(Error::settings(format!(
                "{names}: rank {rank} of {world_size} cannot be, ranks count from 0"
            )));
        }
        if local_world_size > world_size || local_rank >= local_world_size {
            return Err(Error::settings(format!(
                "{names}: number {local_rank} of {local_world_size} on this machine cannot be with {world_size} ranks in all"
            )));
        }
        Ok(self)
    }
}

/// The environment, or a test's.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// A variable's value; an empty one counts as none.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::settings(format!("{name}={value} is no number that it may be"))),
        }
    }

    fn required<T: FromStr>(&self, name: &str, why: impl fmt::Display) -> Result<T, Error> {
        self.number(name)?.ok_or_else(|| Error::settings(format!("{name} is not set, though {why}")))
    }

    fn in_slurm_step(&self) -> bool {
        let step = ["SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_ID", "SLURM_STEPID"];
        self.get("SLURM_PROCID").is_some() && step.iter().any(|name| self.get(name).is_some())
    }
}

fn from_torchrun<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<RankEnv, Error> {
    let why = "RANK and WORLD_SIZE are";
    let (rank, world_size) = (variables.required("RANK", why)?, variables.required("WORLD_SIZE", why)?);
    let host = variables.get("MASTER_ADDR");
    // Without a launcher people export RANK and WORLD_SIZE by hand, and only on one machine.
    let here = host.as_deref().is_none_or(|host| matches!(host, "localhost" | "127.0.0.1" | "::1"));
    let on_machine: Option<usize> = variables.number("LOCAL_WORLD_SIZE")?;
    let local_rank = match variables.number("LOCAL_RANK")? {
        Some(local_rank) => local_rank,
        None if here || world_size == 1 => rank,
        // One rank per machine, as with one container per GPU.
        None if on_machine == Some(1) => 0,
        None => {
            variables.required("LOCAL_RANK", "MASTER_ADDR is another machine: which GPU is this rank's?")?
        }
    };
    let local_world_size = on_machine.unwrap_or(if here { world_size } else { local_rank + 1 });
    if host.is_none() && local_world_size < world_size {
        return Err(Error::settings(
            "MASTER_ADDR is not set, though LOCAL_WORLD_SIZE is less than WORLD_SIZE",
        ));
    }
    let agent_store = variables.get("TORCHELASTIC_USE_AGENT_STORE");
    let rank_env = RankEnv {
        rank,
        world_size,
        local_rank,
        local_world_size,
        host: host.unwrap_or_else(|| RankEnv::alone().host),
        port: variables.number("MASTER_PORT")?.unwrap_or(DEFAULT_PORT),
        agent_store: agent_store.is_some_and(|value| value.eq_ignore_ascii_case("true")),
        restart: variables.number("TORCHELASTIC_RESTART_COUNT")?.unwrap_or(0),
    };
    rank_env.checked("RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE")
}

fn from_slurm<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<RankEnv, Error> {
    let rank = variables.required("SLURM_PROCID", "this is a step of Slurm's")?;
    // The step's number, not the job's: `srun --ntasks` inside an allocation may start fewer.
    let world_size = match variables.number("SLURM_STEP_NUM_TASKS")? {
        Some(world_size) => world_size,
        None => variables.required("SLURM_NTASKS", "this is a step of Slurm's")?,
    };
    // A step of one task needs neither a host nor a port.
    if world_size == 1 {
        return RankEnv::alone().checked("SLURM_PROCID, SLURM_NTASKS");
    }
    let local_rank = variables.required("SLURM_LOCALID", "SLURM_NTASKS is more than 1")?;
    let nodes = variables.get("SLURM_STEP_NODELIST").or_else(|| variables.get("SLURM_JOB_NODELIST"));
    let host = variables.get("MASTER_ADDR").or_else(|| nodes.as_deref().and_then(first_host)).ok_or_else(|| {
        Error::settings("SLURM_STEP_NODELIST and SLURM_JOB_NODELIST name no machine: set MASTER_ADDR to that of rank 0")
    })?;
    let port = match variables.number("MASTER_PORT")? {
        Some(port) => port,
        None => slurm_port(variables)?,
    };
    let local_world_size = slurm_local_ranks(variables)?.unwrap_or(local_rank + 1);
    let rank_env = RankEnv {
        rank,
        world_size,
        local_rank,
        local_world_size,
        host,
        port,
        agent_store: false,
        restart: 0,
    };
    rank_env.checked("SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID")
}

/// A port that the steps of all jobs on a machine are unlikely to share, below those that systems give away.
fn slurm_port<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<u16, Error> {
    let job: u64 =
        variables.required("SLURM_JOB_ID", "ranks meet at a port made from it; or set MASTER_PORT")?;
    let step: u64 = variables.number("SLURM_STEP_ID")?.unwrap_or(0);
    // Below 32768, where Linux begins to assign ports by itself; 101 separates the steps of one job.
    Ok(20_000 + (job.wrapping_add(step.wrapping_mul(101)) % 10_000) as u16)
}

/// Tasks on this machine: `SLURM_STEP_TASKS_PER_NODE` is "4(x2),3" for machines with 4, 4 and 3.
fn slurm_local_ranks<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
) -> Result<Option<usize>, Error> {
    let node: usize = variables.number("SLURM_NODEID")?.unwrap_or(0);
    let listed = variables.get("SLURM_STEP_TASKS_PER_NODE").and_then(|list| tasks_of_node(&list, node));
    match listed {
        Some(tasks) => Ok(Some(tasks)),
        None => variables.number("SLURM_NTASKS_PER_NODE"),
    }
}

fn tasks_of_node(list: &str, node: usize) -> Option<usize> {
    let mut left = node;
    for part in list.split(',') {
        let (tasks, times) = match part.split_once("(x") {
            // "4(x2)": four tasks on each of two nodes.
            Some((tasks, times)) => (tasks, times.trim_end_matches(')').parse().ok()?),
            None => (part, 1),
        };
        if left < times {
            return tasks.trim().parse().ok();
        }
        left -= times;
    }
    None
}

/// The first machine of a list such as `gpu[003-006,9],x1`: `gpu003`. Brackets may come several times in a name.
fn first_host(list: &str) -> Option<String> {
    let (mut host, mut rest) = (String::new(), list.trim());
    loop {
        let end = rest.find(['[', ',']).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(end);
        host.push_str(plain);
        let Some(inside) = tail.strip_prefix('[') else { break };
        let (numbers, tail) = inside.split_once(']')?;
        // The first of a range or list; leading zeros are part of the name.
        host.push_str(numbers.split([',', '-']).next().unwrap_or_default());
        rest = tail;
    }
    (!host.is_empty()).then_some(host)
}

/// The variables that tell a rank which one it is, for a launcher on one machine.
pub(super) fn variables_of(rank: usize, world_size: usize, port: u16) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("RANK", rank.to_string()),
        ("WORLD_SIZE", world_size.to_string()),
        ("LOCAL_RANK", rank.to_string()),
        ("LOCAL_WORLD_SIZE", world_size.to_string()),
        ("MASTER_ADDR", "127.0.0.1".to_owned()),
        ("MASTER_PORT", port.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank_env(text: &str) -> Result<RankEnv, String> {
        let variables: BTreeMap<&str, &str> =
            text.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
        RankEnv::from_variables(|name| variables.get(name).map(|&value| value.to_owned()))
            .map_err(|error| error.to_string())
    }

    /// rank/ranks local_rank/local_world_size host:port
    fn check(variables: &str, expected: &str) {
        let found = match rank_env(variables) {
            Ok(p) => {
                format!(
                    "{}/{} {}/{} {}:{}",
                    p.rank, p.world_size, p.local_rank, p.local_world_size, p.host, p.port
                )
            }
            Err(message) => message,
        };
        assert_eq!(found, expected, "{variables}");
    }

    #[test]
    fn alone() {
        check("", "0/1 0/1 127.0.0.1:29500");
        check("PATH=/bin OMP_NUM_THREADS=4 RANK= WORLD_SIZE=", "0/1 0/1 127.0.0.1:29500");
        assert_eq!(rank_env("").unwrap(), RankEnv::alone());
    }

    #[test]
    fn torchrun() {
        let text = "RANK=5 WORLD_SIZE=8 LOCAL_RANK=1 LOCAL_WORLD_SIZE=4 MASTER_ADDR=node1 MASTER_PORT=4711 \
                    TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RESTART_COUNT=2";
        check(text, "5/8 1/4 node1:4711");
        let found = rank_env(text).unwrap();
        assert!(found.agent_store && found.restart == 2 && !found.on_one_machine());
        // One agent a machine, started by srun: torchrun's variables are the nearer ones.
        check(&format!("{text} SLURM_PROCID=1 SLURM_NTASKS=2 SLURM_STEP_ID=0"), "5/8 1/4 node1:4711");
        check("RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 MASTER_ADDR=node1", "0/1 0/1 node1:29500");
    }

    #[test]
    fn plain_variables() {
        check("RANK=1 WORLD_SIZE=2", "1/2 1/2 127.0.0.1:29500");
        check("RANK=1 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=5", "1/2 1/2 localhost:5");
        check("RANK=3 WORLD_SIZE=4 LOCAL_RANK=1 MASTER_ADDR=node1", "3/4 1/2 node1:29500");
        check("RANK=3 WORLD_SIZE=4 LOCAL_WORLD_SIZE=1 MASTER_ADDR=node1", "3/4 0/1 node1:29500");
    }

    #[test]
    fn contradictions() {
        check("RANK=1", "RANK is set, but not WORLD_SIZE: how many ranks are there?");
        check("WORLD_SIZE=2", "WORLD_SIZE is set, but not RANK: which of them is this?");
        check("RANK=one WORLD_SIZE=2", "RANK=one is no number that it may be");
        check("RANK=0 WORLD_SIZE=2 MASTER_PORT=99999", "MASTER_PORT=99999 is no number that it may be");
        let names = "RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE";
        let cannot = "cannot be";
        check("RANK=2 WORLD_SIZE=2", &format!("{names}: rank 2 of 2 {cannot}, ranks count from 0"));
        check("RANK=0 WORLD_SIZE=0", &format!("{names}: rank 0 of 0 {cannot}, ranks count from 0"));
        check(
            "RANK=0 WORLD_SIZE=2 LOCAL_RANK=2 LOCAL_WORLD_SIZE=2",
            &format!("{names}: number 2 of 2 on this machine {cannot} with 2 ranks in all"),
        );
        check(
            "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=4",
            &format!("{names}: number 0 of 4 on this machine {cannot} with 2 ranks in all"),
        );
        check(
            "RANK=3 WORLD_SIZE=4 MASTER_ADDR=node1",
            "LOCAL_RANK is not set, though MASTER_ADDR is another machine: which GPU is this rank's?",
        );
        check(
            "RANK=0 WORLD_SIZE=4 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2",
            "MASTER_ADDR is not set, though LOCAL_WORLD_SIZE is less than WORLD_SIZE",
        );
    }

    #[test]
    fn slurm() {
        let job = "SLURM_JOB_ID=123456 SLURM_JOB_NODELIST=gpu[003-006,9],x1 SLURM_NTASKS=11";
        let step = "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=11 SLURM_STEP_TASKS_PER_NODE=4(x2),3";
        check(
            &format!("{job} {step} SLURM_PROCID=9 SLURM_LOCALID=1 SLURM_NODEID=2"),
            "9/11 1/3 gpu003:23456",
        );
        check(
            &format!("{job} SLURM_STEP_ID=2 SLURM_PROCID=9 SLURM_LOCALID=1 SLURM_NTASKS_PER_NODE=4"),
            "9/11 1/4 gpu003:23658",
        );
        let own = "MASTER_ADDR=10.0.0.1 MASTER_PORT=7";
        check(&format!("{job} {step} {own} SLURM_PROCID=0 SLURM_LOCALID=0"), "0/11 0/4 10.0.0.1:7");
        // A step on some of the job's machines.
        let nodes = "SLURM_STEP_NODELIST=x1";
        check(&format!("{job} {step} {nodes} SLURM_PROCID=0 SLURM_LOCALID=0"), "0/11 0/4 x1:23456");
    }

    #[test]
    fn slurm_without_other_ranks() {
        let job = "SLURM_JOB_ID=123456 SLURM_JOB_NODELIST=gpu[003-006] SLURM_NTASKS=8";
        let alone = "0/1 0/1 127.0.0.1:29500";
        check(job, alone); // salloc's shell
        check(&format!("{job} SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0"), alone); // a batch script without srun
        check("SLURM_JOB_ID=1 SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_STEP_ID=0", alone); // srun --pty bash
        // srun -n 1 within a job of eight tasks.
        check(&format!("{job} SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1"), alone);
    }

    #[test]
    fn slurm_contradictions() {
        let step = "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_JOB_ID=5";
        check(
            &format!("{step} SLURM_PROCID=0 SLURM_JOB_NODELIST=a"),
            "SLURM_LOCALID is not set, though SLURM_NTASKS is more than 1",
        );
        check(
            &format!("{step} SLURM_PROCID=0 SLURM_LOCALID=0"),
            "SLURM_STEP_NODELIST and SLURM_JOB_NODELIST name no machine: set MASTER_ADDR to that of rank 0",
        );
        check(
            &format!("{step} SLURM_PROCID=4 SLURM_LOCALID=0 SLURM_JOB_NODELIST=a"),
            "SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID: rank 4 of 4 cannot be, ranks count from 0",
        );
    }

    #[test]
    fn first_hosts() {
        let cases = [
            ("node1", "node1"),
            ("a,b,c", "a"),
            ("gpu[003-006,9],x1", "gpu003"),
            ("gpu[9,12-14]", "gpu9"),
            ("rack[1-2]node[01-04]", "rack1node01"),
            ("n[1-3].cluster,m", "n1.cluster"),
            (" spaced ", "spaced"),
        ];
        for (list, first) in cases {
            assert_eq!(first_host(list).as_deref(), Some(first), "{list}");
        }
        assert_eq!((first_host(""), first_host("broken[1-")), (None, None));
    }

    #[test]
    fn tasks_of_nodes() {
        let tasks = |list| (0..4).map(|node| tasks_of_node(list, node)).collect::<Vec<_>>();
        assert_eq!(tasks("4(x2),3"), [Some(4), Some(4), Some(3), None]);
        assert_eq!(tasks("2"), [Some(2), None, None, None]);
        assert_eq!(tasks("1,many(x3)"), [Some(1), None, None, None]);
    }

    #[test]
    fn gpus() {
        let rank_env = |local_rank| RankEnv { local_rank, ..RankEnv::alone() };
        assert_eq!(rank_env(3).gpu(8).unwrap(), 3);
        assert_eq!(rank_env(3).gpu(1).unwrap(), 0);
        assert!(rank_env(3).gpu(2).unwrap_err().to_string().contains("shows it 2 GPUs"));
    }

    #[test]
    fn the_launchers_variables_lead_back() {
        let variables = variables_of(2, 3, 4711);
        let found = RankEnv::from_variables(|name| variables.get(name).cloned()).unwrap();
        assert_eq!((found.rank, found.world_size, found.local_rank, found.port), (2, 3, 2, 4711));
        assert!(found.on_one_machine());
    }
}
