//! What a merchant pays per payment.

use minicbor::{Decode, Encode};

use crate::money::Amount;

/// A share of the captured amount plus a fixed part, and tax on the fee.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PricePlan {
    /// Counts up with every change of this merchant's plan.
    #[n(0)]
    pub version: u32,
    #[n(1)]
    pub fee_basis_points: u32,
    #[n(2)]
    pub fee_fixed: Amount,
    /// Tax on the fee.
    #[n(3)]
    pub tax_basis_points: u32,
}

impl PricePlan {
    /// Fee and tax for `amount`; together never more than it.
    pub fn fee(&self, amount: Amount) -> (Amount, Amount) {
        let fee = amount
            .basis_points(self.fee_basis_points)
            .plus(self.fee_fixed)
            .min(amount);
        let tax = fee
            .basis_points(self.tax_basis_points)
            .min(amount.minus(fee));
        (fee, tax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_a_share_plus_a_fixed_part_and_tax_on_both() {
        let plan = PricePlan {
            version: 1,
            fee_basis_points: 60,
            fee_fixed: Amount::clamped(10),
            tax_basis_points: 600,
        };
        for (amount, fee, tax) in [(12_800, 87, 5), (100, 11, 1), (5, 5, 0), (0, 0, 0)] {
            let (got_fee, got_tax) = plan.fee(Amount::clamped(amount));
            assert_eq!(
                (got_fee.minor(), got_tax.minor()),
                (fee, tax),
                "of {amount}"
            );
        }
    }
}
