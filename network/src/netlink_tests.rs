use super::*;

const BOND: [u8; 6] = [0x52, 0x54, 0, 0xAA, 0xBB, 1];
const OWN: [u8; 6] = [0x52, 0x54, 0, 0xAA, 0xBB, 2];

#[test]
fn a_link_tells_the_address_that_it_has_and_the_one_that_it_came_with() {
    let member = |bytes: &[u8]| {
        let port = InfoPortData::BondPort(vec![InfoBondPort::PermHwaddr(bytes.to_vec())]);
        LinkAttribute::LinkInfo(vec![LinkInfo::PortData(port)])
    };
    let permanent = |bytes: &[u8]| LinkAttribute::PermAddress(bytes.to_vec());
    let check = |attributes: Vec<LinkAttribute>, expected: Option<&str>| {
        let mut message = LinkMessage::default();
        message.attributes = attributes;
        message
            .attributes
            .insert(0, LinkAttribute::Address(BOND.to_vec()));
        let link = link(message).unwrap();
        assert_eq!(link.mac.as_deref(), Some("52:54:00:aa:bb:01"));
        assert_eq!(link.permanent.as_deref(), expected);
    };
    let own = Some("52:54:00:aa:bb:02");
    check(vec![], None);
    check(vec![permanent(&[0; 6])], None);
    check(vec![permanent(&OWN)], own);
    check(vec![member(&OWN)], own);
    check(vec![permanent(&OWN), member(&BOND)], own);
    check(vec![member(&BOND), permanent(&OWN)], own);
}
