use super::*;
use crate::cli::render::samples::{express, report};

#[test]
fn a_balanced_ledger() {
    let expected = "\
LEDGER                                        FRAMES
  received                                 2,234,579
+ cut from superframes                             3
                                           ---------
= to account for                           2,234,582

  delivered                                2,230,560
    of them 0 by the express lane
+ passed to the host                               2
+ lost                                         4,013
+ in flight                                        7
                                           ---------
= accounted for                            2,234,582
balanced: yes

LOST        FRAMES   SHARE  AT
queue_full   4,000  99.6 %  v1 4,000
no_egress        8   0.1 %  v1 7, vnet-0123456789 1
port_gone        5   0.1 %  vnet-0123456789 5
what the names mean: weir stats --help-counters

POOL                                          FRAMES
  free                                         6,100
+ in fill rings                                2,048
+ received                                         1
+ held in queues                                  36
+ being sent                                       7
                                               -----
= accounted for                                8,192
of 8,192: yes
";
    assert_eq!(ledger(&report(), Paint::PLAIN), expected);
}

#[test]
fn the_express_lane_is_told_of_what_was_delivered_and_added_up_once() {
    let expected = "
  delivered                                2,530,560
    of them 300,000 by the express lane
+ passed to the host                              14
+ lost                                         4,013
+ in flight                                        7
                                           ---------
= accounted for                            2,534,594
balanced: yes
";
    let report = express();
    let text = ledger(&report, Paint::PLAIN);
    assert!(text.contains(expected), "{text}");
    assert_eq!(report.ledger.balance(), 0);
}

#[test]
fn what_does_not_balance_says_so() {
    let mut report = report();
    report.ledger.received += 1000;
    report.ledger.balanced = false;
    report.frames.free += 1;
    let text = ledger(&report, Paint::PLAIN);
    assert!(text.contains("balanced: NO, 1,000 vanished without a name\n"), "{text}");
    assert!(text.contains("of 8,192: NO, 1 counted twice\n"), "{text}");
    report.ledger.lost_by_reason.clear();
    assert!(ledger(&report, Paint::PLAIN).contains("\nnothing lost\n"));
}
