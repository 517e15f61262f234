//! An operator's certificate: the common name is the person, the organizational
//! unit is the role that the appliance grants.

use aios_role::Role;
use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};

use super::{Authority, Credentials, check_name, parameters};
use crate::error::Failure;

/// How long an operator's certificate is valid by default, in days.
pub const OPERATOR_DAYS: u32 = 365;

/// Issues an operator's certificate.
///
/// # Errors
/// When the name cannot be one.
pub fn issue(
    authority: &Authority,
    name: &str,
    role: Role,
    days: u32,
) -> Result<Credentials, Failure> {
    check_name("an operator", name)?;
    let mut parameters = parameters(name, days)?;
    parameters
        .distinguished_name
        .push(DnType::OrganizationalUnitName, role.to_string());
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    authority.issue(&parameters)
}
