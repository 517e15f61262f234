//! Certificates for a test: an authority, its node, and clients good and bad.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams,
};
use tonic::transport::Identity;

/// A certificate authority.
pub struct Authority {
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes `ca.crt`, `node.crt` and `node.key`.
    pub fn install(&self, folder: &Path) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "node");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("ca.crt"), &self.certificate).unwrap();
        std::fs::write(folder.join("node.crt"), certificate.pem()).unwrap();
        std::fs::write(folder.join("node.key"), key.serialize_pem()).unwrap();
    }

    /// A client's certificate with these organizational units.
    pub fn client(&self, units: &[&str]) -> Identity {
        self.client_with(units, |_| {})
    }

    /// One that expired years ago.
    pub fn expired_client(&self) -> Identity {
        self.client_with(&["admin"], |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        })
    }

    /// One of this authority that is for no use in particular.
    pub fn client_for_anything(&self) -> Identity {
        self.client_with(&["admin"], |params| params.extended_key_usages.clear())
    }

    /// One that is valid for so long from now on, cut to a second.
    pub fn client_for(&self, time: Duration) -> Identity {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let end = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs((now + time).as_secs());
        self.client_with(&["admin"], |params| params.not_after = end)
    }

    /// The node's kind of certificate: good, but not for a client.
    pub fn server_as_client(&self) -> Identity {
        self.client_with(&["admin"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A client's certificate with this serial number.
    pub fn client_with_serial(&self, units: &[&str], serial: u64) -> Identity {
        self.client_with(units, |params| params.serial_number = Some(serial.into()))
    }

    /// The list of the certificates that are taken back, PEM. Its `nextUpdate` is long over.
    pub fn revocations(&self, number: u64, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2024, 1, 2),
            crl_number: number.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn client_with(&self, units: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "alice");
        for unit in units {
            params
                .distinguished_name
                .push(DnType::OrganizationalUnitName, *unit);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem())
    }
}
