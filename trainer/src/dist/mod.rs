//! Who am I, who are the others.

use std::time::Duration;

use quanci_torch_ext::Reducer;
use tch::{Device, Tensor};

use crate::error::Error;

/// The other ranks.
pub trait Comm {
    /// This rank, from 0.
    fn rank(&self) -> usize;
    /// How many there are.
    fn ranks(&self) -> usize;
    /// Adds numbers up over the ranks, in place.
    fn sum(&self, numbers: &mut [f64]) -> Result<(), Error>;
    /// Waits until all ranks are here.
    fn barrier(&self) -> Result<(), Error>;
    /// What sums the gradients of these parameters over the ranks; none for one rank.
    fn reducer(&self, parameters: &[(String, Tensor)]) -> Result<Option<Reducer>, Error>;
}

/// The only rank.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone {
    pretended: usize,
}

impl Alone {
    /// One that says that it is one of `ranks`, to check settings with.
    pub fn pretending(ranks: usize) -> Alone {
        Alone { pretended: ranks }
    }
}

impl Comm for Alone {
    fn rank(&self) -> usize {
        0
    }
    fn ranks(&self) -> usize {
        self.pretended.max(1)
    }
    fn sum(&self, _: &mut [f64]) -> Result<(), Error> {
        Ok(())
    }
    fn barrier(&self) -> Result<(), Error> {
        Ok(())
    }
    fn reducer(&self, _: &[(String, Tensor)]) -> Result<Option<Reducer>, Error> {
        Ok(None)
    }
}

/// Which rank this process is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// This rank.
    pub rank: usize,
    /// On this machine.
    pub local_rank: usize,
    /// Ranks on this machine.
    pub local_ranks: usize,
}

impl Place {
    /// From the environment.
    pub fn from_environment() -> Result<Place, Error> {
        Ok(Place { rank: 0, local_rank: 0, local_ranks: 1 })
    }
}

/// Meets the other ranks.
pub fn connect(_: &Place, _: Device, _: Duration) -> Result<Box<dyn Comm>, Error> {
    Ok(Box::new(Alone::default()))
}

/// Starts ranks.
pub fn launch(_: usize) -> Result<u8, Error> {
    Ok(0)
}
