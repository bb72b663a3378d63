//! Who lives in the demo's world.
//!
//! Every amount is in fen, every time in the past is counted back from the first start.

/// A merchant of the demo.
pub struct DemoMerchant {
    pub name: &'static str,
    /// ISO 18245.
    pub category: u16,
    pub payment_limit_minor: i64,
    pub daily_limit_minor: i64,
    pub fee_basis_points: u32,
}

pub const LANTERN_BOOKS: usize = 0;
pub const MORNING_MART: usize = 1;
pub const CLOUD_COFFEE: usize = 2;
pub const CITY_RIDES: usize = 3;
pub const GALAXY_STREAMING: usize = 4;
pub const KANGNING_PHARMACY: usize = 5;

pub const MERCHANTS: [DemoMerchant; 6] = [
    DemoMerchant {
        name: "灯笼书店 Lantern Books",
        category: 5942,
        payment_limit_minor: 200_000,
        daily_limit_minor: 5_000_000,
        fee_basis_points: 60,
    },
    DemoMerchant {
        name: "早安便利 Morning Mart",
        category: 5411,
        payment_limit_minor: 100_000,
        daily_limit_minor: 8_000_000,
        fee_basis_points: 38,
    },
    DemoMerchant {
        name: "云上咖啡 Cloud Coffee",
        category: 5814,
        payment_limit_minor: 50_000,
        daily_limit_minor: 2_000_000,
        fee_basis_points: 60,
    },
    DemoMerchant {
        name: "城际出行 City Rides",
        category: 4121,
        payment_limit_minor: 150_000,
        daily_limit_minor: 6_000_000,
        fee_basis_points: 55,
    },
    DemoMerchant {
        name: "星河影音 Galaxy Streaming",
        category: 5815,
        payment_limit_minor: 30_000,
        daily_limit_minor: 3_000_000,
        fee_basis_points: 80,
    },
    DemoMerchant {
        name: "康宁药房 Kangning Pharmacy",
        category: 5912,
        payment_limit_minor: 100_000,
        daily_limit_minor: 4_000_000,
        fee_basis_points: 38,
    },
];

/// What is given to a subscriber besides cash.
pub struct DemoGrant {
    pub label: &'static str,
    pub kind: GrantKind,
    pub amount_minor: i64,
    pub expires_in_days: Option<i64>,
    /// Places in [`MERCHANTS`].
    pub merchants: &'static [usize],
    pub categories: &'static [u16],
}

#[derive(Clone, Copy)]
pub enum GrantKind {
    Gift,
    Voucher,
    Campaign,
    Welfare,
}

pub struct DemoSubscriber {
    pub name: &'static str,
    pub number: &'static str,
    pub birth_date: &'static str,
    /// The text `demo.note.…` that says what is particular here.
    pub note: &'static str,
    pub activated_days_ago: i64,
    pub sim_changed_hours_ago: Option<i64>,
    pub device_changed_days_ago: Option<i64>,
    /// Most on the phone bill per month; above zero for postpaid lines.
    pub bill_limit_minor: i64,
    pub cash_minor: i64,
    pub grants: &'static [DemoGrant],
    /// What is on the bank account.
    pub bank_minor: Option<i64>,
}

const PLAIN: DemoSubscriber = DemoSubscriber {
    name: "",
    number: "",
    birth_date: "1990-01-01",
    note: "",
    activated_days_ago: 1_000,
    sim_changed_hours_ago: None,
    device_changed_days_ago: None,
    bill_limit_minor: 0,
    cash_minor: 0,
    grants: &[],
    bank_minor: None,
};

pub const XIAOYU: usize = 0;
pub const JIANGUO: usize = 1;
pub const JIAYI: usize = 2;
pub const MING: usize = 3;
pub const WENBO: usize = 4;
pub const YUTONG: usize = 5;
pub const YANG: usize = 6;
pub const LI: usize = 7;

pub const SUBSCRIBERS: [DemoSubscriber; 8] = [
    DemoSubscriber {
        name: "林小雨 Lin Xiaoyu",
        number: "+8613800138001",
        birth_date: "1991-04-12",
        note: "everything",
        activated_days_ago: 2_460,
        device_changed_days_ago: Some(210),
        bill_limit_minor: 30_000,
        cash_minor: 86_050,
        grants: &[
            DemoGrant {
                label: "妈妈的红包 A gift from Mum",
                kind: GrantKind::Gift,
                amount_minor: 20_000,
                expires_in_days: None,
                merchants: &[],
                categories: &[],
            },
            DemoGrant {
                label: "咖啡周券 Coffee week",
                kind: GrantKind::Campaign,
                amount_minor: 3_000,
                expires_in_days: Some(3),
                merchants: &[CLOUD_COFFEE],
                categories: &[],
            },
        ],
        ..PLAIN
    },
    DemoSubscriber {
        name: "陈建国 Chen Jianguo",
        number: "+8613800138002",
        birth_date: "1952-09-30",
        note: "welfare",
        activated_days_ago: 4_015,
        cash_minor: 21_480,
        grants: &[DemoGrant {
            label: "长者补贴 Senior support",
            kind: GrantKind::Welfare,
            amount_minor: 30_000,
            expires_in_days: Some(40),
            merchants: &[],
            categories: &[5411, 5912],
        }],
        ..PLAIN
    },
    DemoSubscriber {
        name: "王佳怡 Wang Jiayi",
        number: "+8613800138003",
        birth_date: "2005-02-18",
        note: "voucher",
        activated_days_ago: 640,
        cash_minor: 6_530,
        grants: &[DemoGrant {
            label: "读书券 Reading voucher",
            kind: GrantKind::Voucher,
            amount_minor: 5_000,
            expires_in_days: Some(2),
            merchants: &[LANTERN_BOOKS],
            categories: &[],
        }],
        ..PLAIN
    },
    DemoSubscriber {
        name: "赵明 Zhao Ming",
        number: "+8613800138004",
        birth_date: "1984-11-03",
        note: "bank",
        activated_days_ago: 1_830,
        cash_minor: 3_000,
        bank_minor: Some(1_250_000),
        ..PLAIN
    },
    DemoSubscriber {
        name: "周文博 Zhou Wenbo",
        number: "+8613800138005",
        birth_date: "1996-07-21",
        note: "bill",
        activated_days_ago: 920,
        bill_limit_minor: 50_000,
        ..PLAIN
    },
    DemoSubscriber {
        name: "许雨桐 Xu Yutong",
        number: "+8613800138006",
        birth_date: "1999-12-05",
        note: "little",
        activated_days_ago: 380,
        cash_minor: 4_200,
        ..PLAIN
    },
    DemoSubscriber {
        name: "刘洋 Liu Yang",
        number: "+8613800138007",
        birth_date: "2001-03-14",
        note: "young_number",
        activated_days_ago: 3,
        cash_minor: 50_000,
        ..PLAIN
    },
    DemoSubscriber {
        name: "孙丽 Sun Li",
        number: "+8613800138008",
        birth_date: "1979-06-08",
        note: "sim_change",
        activated_days_ago: 3_300,
        sim_changed_hours_ago: Some(5),
        cash_minor: 128_000,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::number::PhoneNumber;

    #[test]
    fn every_number_of_the_demo_is_a_number() {
        for person in &SUBSCRIBERS {
            let number = PhoneNumber::read("number", person.number, "CN");
            assert_eq!(
                number.as_ref().map(PhoneNumber::e164).ok(),
                Some(person.number)
            );
        }
    }

    #[test]
    fn what_is_said_about_each_is_there_in_every_language() {
        for messages in [
            include_str!("../../messages/en.json"),
            include_str!("../../messages/zh.json"),
        ] {
            for person in &SUBSCRIBERS {
                assert!(messages.contains(&format!("\"demo.note.{}\"", person.note)));
            }
            assert!(messages.contains("\"demo.pin.choose\""));
        }
    }
}
