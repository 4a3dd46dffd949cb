"""Tables of the user's own."""

import pytest
import torch
from own_tables import TABLE

from fbgd.data import DataError, csv, prepare


class TestCsv:
    def write(self, folder, text=TABLE, name="table.csv"):
        (folder / name).write_text(text)
        return str(folder / name)

    def test_features_and_labels(self, tmp_path):
        loaded = csv(self.write(tmp_path), "kind", test_share=0.2)
        assert (loaded.train_inputs.shape, loaded.classes) == ((24, 4), 3)
        assert loaded.facts == {"features": 4, "class_names": ["a", "b", "c"]}
        # By the weight, which is half the number of the line: age, colour=blue, colour=red.
        for row, label in zip(loaded.test_inputs.tolist(), loaded.test_targets.tolist(), strict=True):
            index = round(2 * row[3])
            assert (row[:3], label) == ([20 + index % 7, index % 2, 1 - index % 2], index % 3)

    def test_each_feature_is_normalised_by_the_training_set(self, tmp_path):
        arrays = csv(self.write(tmp_path), "kind")
        dataset = prepare(arrays, train_size=20)
        values = dataset.train.samples.inputs.double()
        torch.testing.assert_close(values.mean(0), torch.zeros(4).double(), rtol=0, atol=1e-6)
        torch.testing.assert_close(values.std(0, correction=0), torch.ones(4).double(), rtol=0, atol=1e-6)
        assert dataset.input_shape == (4,)
        with pytest.raises(ValueError, match="these data are features"):
            prepare(arrays, augment="random")

    def test_a_file_of_test_data_has_the_columns_of_the_other(self, tmp_path):
        train = self.write(tmp_path)
        shuffled = "weight,kind,colour,age\n1,a,green,30\n2,b,red,31\n"
        loaded = csv(train, "kind", test_path=self.write(tmp_path, shuffled, "test.csv"))
        assert loaded.test_inputs.tolist() == [[30, 0, 0, 1], [31, 0, 1, 2]]
        with pytest.raises(DataError, match="the column 'age' is in one of them only"):
            csv(train, "kind", test_path=self.write(tmp_path, "weight,kind,colour\n1,a,red\n", "test.csv"))

    @pytest.mark.parametrize(
        ("text", "options", "message"),
        [
            (TABLE, {"target": "knd"}, "has no column 'knd'; did you mean 'kind'"),
            (TABLE, {"target": "kind", "drop": ["agee"]}, "did you mean 'age'"),
            (TABLE + "1,red,,a\n", {"target": "kind"}, "table.csv, line 32: the column 'weight' has no value"),
            ("a\n1\n2\n", {"target": "a"}, "no column beside 'a'"),
            ("", {"target": "a"}, "cannot be read"),
        ],
    )
    def test_what_does_not_fit_is_said(self, tmp_path, text, options, message):
        with pytest.raises(DataError) as error:
            csv(self.write(tmp_path, text), **options)
        assert message in str(error.value)

    def test_dropped_columns_may_have_gaps(self, tmp_path):
        loaded = csv(self.write(tmp_path, TABLE + "1,red,,a\n"), "kind", drop=["weight"])
        assert loaded.train_inputs.shape[1] == 3
