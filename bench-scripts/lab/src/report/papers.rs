//! The papers. Invariant: a letter identifies a paper.

/// A paper: its subject and its authors.
pub(super) struct Paper {
    letter: &'static str,
    pub(super) about: &'static str,
    pub(super) citation: &'static str,
}

/// By the letter of the experiment files.
pub(super) fn paper(letter: &str) -> Option<&'static Paper> {
    PAPERS.iter().find(|paper| paper.letter == letter)
}

const PAPERS: [Paper; 6] = [
    Paper {
        letter: "A",
        about: "Isolation between virtual adapters",
        citation: "Blazej Adamczyk and Andrzej Chydzinski (Silesian University of Technology), \
                   “On the Performance Isolation Across Virtual Network Adapters in Xen”: what \
                   one VM's traffic does to another's, and a weighted round robin against it.",
    },
    Paper {
        letter: "B",
        about: "Packets by the container",
        citation: "Shikha R. Thakur and R. M. Goudar (MIT Academy of Engineering, Pune), \
                   “Improving Network I/O Virtualization Performance of Xen Hypervisor”: packets \
                   handed over by the container, released when their traffic's own delays say so.",
    },
    Paper {
        letter: "C",
        about: "A shorter path",
        citation: "Zhang Jian, Li Xiaoyong and Guan Haibing (Shanghai Jiao Tong University), \
                   “The Optimization of Xen Network Virtualization”: what does not need the far \
                   side is done where it arises.",
    },
    Paper {
        letter: "D",
        about: "IPv4, IPv6, round trips and jitter",
        citation: "David Antoš, Jiří Denemark and Jan Fousek (CESNET technical report 3/2008), \
                   “Effects of Virtualisation on Behaviour and Performance Characteristics of \
                   Network Processing”: both protocols by packet size, two VMs at once, a busy \
                   neighbour.",
    },
    Paper {
        letter: "E",
        about: "Many hosts and many routers on one machine",
        citation: "Fabienne Anhalt and Pascale Vicat-Blanc Primet (INRIA, ENS Lyon), “Analysis \
                   and Experimental Evaluation of Network Data-Plane Virtualization Mechanisms”: \
                   one to eight virtual hosts or routers, how much they carry and how fairly.",
    },
    Paper {
        letter: "W",
        about: "weir against its peers",
        citation: "No paper's: what weir costs and how fast it is beside a Linux bridge, a bridge \
                   with HTB, and XDP redirect.",
    },
];
