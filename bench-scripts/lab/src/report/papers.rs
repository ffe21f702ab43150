//! The papers. Invariant: a letter identifies a paper.

/// A paper: its subject and its authors.
pub(super) struct Paper {
    pub(super) about: &'static str,
    pub(super) citation: &'static str,
}

/// By the letter of the experiment files.
pub(super) fn paper(letter: &str) -> Option<&'static Paper> {
    PAPERS.iter().find(|(name, _)| *name == letter).map(|(_, paper)| paper)
}

/// Whether an experiment is a paper's; weir's comparisons with its peers are not.
pub(super) fn is_paper(letter: &str) -> bool {
    letter != "W"
}

const PAPERS: [(&str, Paper); 6] = [
    (
        "A",
        Paper {
            about: "Isolation between virtual adapters",
            citation: "Blazej Adamczyk and Andrzej Chydzinski (Silesian University of Technology), \
                       “On the Performance Isolation Across Virtual Network Adapters in Xen”: what \
                       one VM's traffic does to another's, and a weighted round robin against it.",
        },
    ),
    (
        "B",
        Paper {
            about: "Packets by the container",
            citation: "Shikha R. Thakur and R. M. Goudar (MIT Academy of Engineering, Pune), \
                       “Improving Network I/O Virtualization Performance of Xen Hypervisor”: packets \
                       handed over by the container, released when their traffic's own delays say so.",
        },
    ),
    (
        "C",
        Paper {
            about: "A shorter path",
            citation: "Zhang Jian, Li Xiaoyong and Guan Haibing (Shanghai Jiao Tong University), \
                       “The Optimization of Xen Network Virtualization”: what does not need the far \
                       side is done where it arises.",
        },
    ),
    (
        "D",
        Paper {
            about: "IPv4, IPv6, round trips and jitter",
            citation: "David Antoš, Jiří Denemark and Jan Fousek (CESNET technical report 3/2008), \
                       “Effects of Virtualisation on Behaviour and Performance Characteristics of \
                       Network Processing”: both protocols by packet size, two VMs at once, a busy \
                       neighbour.",
        },
    ),
    (
        "E",
        Paper {
            about: "Many hosts and many routers on one machine",
            citation: "Fabienne Anhalt and Pascale Vicat-Blanc Primet (INRIA, ENS Lyon), “Analysis \
                       and Experimental Evaluation of Network Data-Plane Virtualization Mechanisms”: \
                       one to eight virtual hosts or routers, how much they carry and how fairly.",
        },
    ),
    (
        "W",
        Paper {
            about: "weir against its peers",
            citation: "No paper's: what weir costs and how fast it is beside a Linux bridge, a bridge \
                       with HTB, and XDP redirect.",
        },
    ),
];
