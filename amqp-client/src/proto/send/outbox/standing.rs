//! Where a channel stands, as far as sending goes, and what it takes there.

use super::restoring::WayBack;

/// Where a channel stands, as far as sending goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Standing {
    #[default]
    Free,
    Opening,
    Open,
    Closing,
    /// Both sides have closed it at once. The broker answers our close as well, and the id is not
    /// free before; RabbitMQ 4 loses that answer now and then, so that one day it is free anyway.
    Crossed,
    /// The broker has closed it, in the middle of a large body of ours. RabbitMQ discards the rest,
    /// but counts it: with `channel.close-ok` amid content it closes the connection with 505.
    Finishing,
    /// The broker has closed it, and it is opened anew in its place for the next publish.
    Resting,
    /// Closed by us without a word: the request that our close must not pass was not answered. The
    /// broker may still have it open, so that the id is not used again, unless it closes it too.
    GivenUp,
    /// Its stream is gone, and it has not been opened on another.
    Lost,
}

/// Where a channel stands, and whether it takes whatever comes. That is asked for every message and
/// every settlement, so that it is kept.
#[derive(Debug, Default)]
pub(super) struct Stand {
    standing: Standing,
    taking: Taking,
}

/// Which messages and settlements a channel takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Taking {
    #[default]
    Nothing,
    Anything,
    /// It has transactions: what enters one has to be noted, or must not.
    Watched,
}

impl Stand {
    pub(super) fn new(standing: Standing) -> Self {
        let mut this = Self::default();
        this.set(standing);
        this
    }

    pub(super) fn get(&self) -> Standing {
        self.standing
    }

    pub(super) fn set(&mut self, standing: Standing) {
        self.standing = standing;
        self.watch(self.taking == Taking::Watched);
    }

    pub(super) fn watch(&mut self, is_watched: bool) {
        self.taking = match self.standing.is_in_use() {
            _ if is_watched => Taking::Watched,
            true => Taking::Anything,
            false => Taking::Nothing,
        };
    }

    /// Whether messages and settlements are taken without a look at what they are part of.
    #[inline]
    pub(super) fn takes_anything(&self) -> bool {
        self.taking == Taking::Anything
    }
}

impl Standing {
    /// Whether it is open as far as we know, or to be opened on the next stream.
    pub(super) fn is_in_use(self) -> bool {
        matches!(self, Self::Open | Self::Opening | Self::Lost)
    }

    /// Whether the broker has not closed it yet.
    pub(super) fn is_open_at_broker(self) -> bool {
        match self {
            Self::Opening | Self::Open | Self::Closing | Self::GivenUp => true,
            Self::Free | Self::Crossed | Self::Finishing | Self::Resting | Self::Lost => false,
        }
    }

    /// Whether it is opened on the next stream when its own is gone now; `renewed` if it is opened
    /// anew when the broker closes it.
    pub(super) fn goes_on(self, renewed: bool) -> bool {
        match self {
            Self::Open | Self::Opening | Self::Lost => true,
            Self::Resting | Self::Finishing => renewed,
            Self::Free | Self::Closing | Self::Crossed | Self::GivenUp => false,
        }
    }

    /// How far it is on its way back.
    pub(super) fn way_back(self) -> WayBack {
        match self {
            Self::Lost => WayBack::Lost,
            Self::Opening => WayBack::Opening,
            Self::Open => WayBack::Open,
            _ => WayBack::Gone,
        }
    }
}
